"""`/api/schema` and `/api/docs`: the API described, for programs and for people."""
