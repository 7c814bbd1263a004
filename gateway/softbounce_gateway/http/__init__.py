"""HTTP: an app in any language hands mail over, asks what became of it, and acts on it (docs/http.md)."""
