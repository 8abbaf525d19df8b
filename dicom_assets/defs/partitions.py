"""One dynamic partition per study, keyed by the study key."""

import dagster as dg

STUDIES = "studies"

studies = dg.DynamicPartitionsDefinition(name=STUDIES)
