"""The one door through which DICOM files are opened."""
