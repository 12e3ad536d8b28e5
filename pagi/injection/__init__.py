"""Who makes what: markers, providers, plans, and the scopes in which things live. It knows nothing of handlers and contexts."""
