"""The Clean Pixel Data Option (PS3.15 E.3.1): which pixels are blanked, by rule or because text is seen in them."""
