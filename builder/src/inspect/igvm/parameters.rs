//! Parameter areas and what a loader writes into them.

use std::collections::BTreeMap;

use guestmark_measure::Gpa;
use guestmark_measure::igvm::{Directive, IgvmFile};
use serde::Serialize;

/// An area that a loader fills with facts about the machine; not measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParameterAreaFacts {
    /// The number by which other headers name it.
    pub index: u32,
    /// Bytes it has.
    pub bytes: u64,
    /// Where it goes, once for each platform; nowhere if it is not inserted.
    pub inserted_at: Vec<Gpa>,
    /// What is written into it.
    pub parameters: Vec<ParameterFacts>,
}

/// Something that a loader writes into an area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParameterFacts {
    /// What it is.
    pub parameter: &'static str,
    /// Where it goes in the area, in bytes.
    pub offset: u32,
}

/// The parameter areas of a file, by index.
pub(super) fn all(file: &IgvmFile<'_>) -> Vec<ParameterAreaFacts> {
    let mut areas = BTreeMap::<u32, ParameterAreaFacts>::new();
    for directive in file.directives() {
        match directive {
            Directive::ParameterArea(area) => {
                let facts = ParameterAreaFacts {
                    index: area.index,
                    bytes: area.size,
                    inserted_at: Vec::new(),
                    parameters: Vec::new(),
                };
                areas.insert(area.index, facts);
            }
            Directive::Parameter(parameter) => {
                if let Some(area) = areas.get_mut(&parameter.index) {
                    area.parameters.push(ParameterFacts {
                        parameter: parameter.kind.name(),
                        offset: parameter.byte_offset,
                    });
                }
            }
            Directive::ParameterInsert(insert) => {
                if let Some(area) = areas.get_mut(&insert.index) {
                    area.inserted_at.push(insert.gpa);
                }
            }
            _ => {}
        }
    }
    areas.into_values().collect()
}
