"""De-identification after PS3.15 Annex E: streams and values in, streams and values out."""
