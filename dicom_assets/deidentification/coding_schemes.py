"""The coding schemes of PS3.16 Table 8-1 (edition 2026d) whose codes mean the same to everybody."""

from __future__ import annotations

PUBLIC_SCHEMES = frozenset(
    {"ACR", "ASTM-sigpurpose", "BARI", "BI", "C4", "C5", "caDSR", "CD2", "CTV3", "DC", "DCM", "DCMUID", "FMA"}
    | {"HPC", "I10", "I10C", "I10P", "I11", "I9", "I9C", "ICDO3", "IBSI", "IETF4646", "ISO639_1", "ISO639_2"}
    | {"ISO3166_1", "ISO5218_1", "ITIS_TSN", "LN", "MA", "MAYOASRG", "MDC", "MDNS", "MGI", "MSH", "NBD", "NBG"}
    | {"NCDR", "NCIt", "NDC", "NEU", "NICIP", "NYUMCCG", "PATHLEX", "POS", "PUBCHEM_CID", "RADLEX"}
    | {"RADELEMENT", "RFC3066", "RFC-3881", "RFC5646", "RO", "RRID", "RXNORM", "99SDM", "SCPECG", "SNM3", "SCT"}
    | {"SRT", "UBERON", "UCUM", "UMLS", "UNS"}
)
"""Of the table's designators, three are left out because their codes name somebody or something single: NPI (people who
provide care), ISO_OID (any object identifier at all) and UPC (anything that is sold)."""
