"""The array API standard and nothing more: the device `array_api_strict`."""
