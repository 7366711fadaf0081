//! `lock`: every input of a recipe, resolved and pinned.

use guestmark_builder::archive::{self, MirrorSettings, Mirrors};
use guestmark_builder::lock::Lock;
use guestmark_builder::recipe::Recipe;
use serde::Serialize;

use crate::args;
use crate::output::{Outcome, Output, human_bytes, table};
