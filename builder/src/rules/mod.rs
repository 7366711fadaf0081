//! What the recipe does to the unpacked packages, in place of their maintainer scripts.
