"""What completions cost: usage, prices, the bound that is reserved, the ledger."""
