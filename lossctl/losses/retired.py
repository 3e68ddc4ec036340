"""Options of older APIs, and what replaces them."""

REPLACED = {
    "size_average": "size_average=True is reduction='mean', size_average=False reduction='sum'",
    "reduce": "reduce=False is reduction='none', reduce=True reduction='mean'",
}
