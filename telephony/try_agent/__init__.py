"""The page “Try this agent”: a call from the browser to an adopted agent."""
