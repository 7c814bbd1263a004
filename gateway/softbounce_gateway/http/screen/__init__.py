"""The operator's screen: pages made here, of what the store knows, for whoever has to know why mail does not flow."""
