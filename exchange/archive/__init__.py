"""What is asked of archives: C-FIND today."""
