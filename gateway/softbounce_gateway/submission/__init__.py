"""Mail that apps and mail servers hand over by SMTP or LMTP: read, checked, and stored before they hear a 250."""
