//! Guest memory as a value, and the IGVM file that holds it.
