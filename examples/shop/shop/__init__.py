"""A small shop: prices, a catalogue, baskets, discounts, stock, invoices and reports."""
