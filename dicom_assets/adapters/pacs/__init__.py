"""DICOM over TCP: our SCU and our Storage SCP."""
