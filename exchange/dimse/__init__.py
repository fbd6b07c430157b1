"""DICOM over TCP: sockets, TLS, association parameters."""
