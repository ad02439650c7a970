"""Every difference between recorded answers of genuine servers and those of their stand-ins to the same requests."""
