"""Quality and protocol checks of a study."""
