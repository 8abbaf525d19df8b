"""An embedded staging PACS, research PACS and databases with invented patients."""
