"""The built-in wordings by what they are about; which goes first is said in ``built_in_rules``."""
