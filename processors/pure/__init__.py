"""Pure core of the processor: values in, values out."""
