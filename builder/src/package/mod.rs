//! Opens package files: what they hold and what scripts they bring.
