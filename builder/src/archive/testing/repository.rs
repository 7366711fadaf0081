//! A signed Debian archive in a folder.

use std::path::{Path, PathBuf};

use super::{Key, sha256};

/// Packages of a Debian archive, to be signed and written below a folder: suite `bookworm`,
/// component `main`, architecture `amd64`.
pub(crate) struct Repository {
    pub(crate) root: PathBuf,
    packages: String,
    /// Further fields of the release file, each with its newline.
    pub(crate) fields: String,
    /// Indexes are written with these suffixes.
    pub(crate) suffixes: Vec<&'static str>,
}

impl Repository {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            packages: String::new(),
            fields: "Date: Sun, 09 Sep 2001 01:46:40 UTC\n".to_owned(),
            suffixes: vec![".xz"],
        }
    }

    /// Adds a package and its file; `fields` are further ones, each with its newline.
    pub(crate) fn add(&mut self, name: &str, version: &str, fields: &str) -> &mut Self {
        let content = format!("the file of {name} {version}");
        let path = format!("pool/{name}_{version}_amd64.deb");
        self.write(&path, content.as_bytes());
        self.packages += &format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: {path}\n\
             Size: {}\nSHA256: {}\n{fields}\n",
            content.len(),
            sha256(content.as_bytes())
        );
        self
    }

    /// Takes paragraphs of a `Packages` file as they are.
    pub(crate) fn add_index(&mut self, packages: &str) -> &mut Self {
        self.packages += packages;
        self
    }

    /// Writes the indexes and returns the release file.
    pub(crate) fn release(&self) -> String {
        let mut text = format!(
            "Origin: Test\nSuite: oldstable\nCodename: bookworm\nArchitectures: all amd64\n\
             No-Support-for-Architecture-all: Packages\nComponents: main\n{}SHA256:\n",
            self.fields
        );
        for suffix in &self.suffixes {
            let index = compressed(self.packages.as_bytes(), suffix);
            let (path, hash) = (
                format!("main/binary-amd64/Packages{suffix}"),
                sha256(&index),
            );
            self.write(&format!("dists/bookworm/{path}"), &index);
            self.write(
                &format!("dists/bookworm/main/binary-amd64/by-hash/SHA256/{hash}"),
                &index,
            );
            text += &format!(" {hash} {} {path}\n", index.len());
        }
        text
    }

    /// Writes everything, signed by `key`.
    pub(crate) fn publish(&self, key: &Key) {
        self.write_release(&key.sign(&self.release()));
    }

    pub(crate) fn write_release(&self, signed: &str) {
        self.write("dists/bookworm/InRelease", signed.as_bytes());
    }

    pub(crate) fn write(&self, path: &str, content: &[u8]) {
        let path = self.root.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }
}

fn compressed(bytes: &[u8], suffix: &str) -> Vec<u8> {
    use std::io::Write;
    match suffix {
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        ".gz" => {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        _ => bytes.to_vec(),
    }
}
