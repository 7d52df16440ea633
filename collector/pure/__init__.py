"""Pure core of the collector: values in, values out."""
