"""Record → batch on the device."""
