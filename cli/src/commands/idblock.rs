//! `idblock`: what is signed, and the signature into an IGVM file and out again.

use std::io::Write;
use std::num::NonZeroU32;
use std::path::Path;

use anyhow::Context;
use fs_err as fs;
use guestmark_builder::output::OutputFile;
use guestmark_measure::ecdsa::{PublicKey, Signature};
use guestmark_measure::id_block::{self, Author, IdAuthPage, IdBlock, Identity, SignedIdBlock};
use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::{LaunchDigest, Sha384Digest};
use serde::Serialize;

use crate::args::{
    IdBlockAttach, IdBlockCommand, IdBlockKey, IdBlockLoader, IdBlockNew, IdBlockStrip,
};
use crate::input;
use crate::output::{Outcome, Output, table};

/// What was written, and the ID block it is about.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    launch_digest: LaunchDigest,
    family_id: String,
    image_id: String,
    guest_svn: u32,
    policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_key_digest: Option<Sha384Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author_key_digest: Option<Sha384Digest>,
}

/// What was written of a key.
#[derive(Debug, Serialize)]
struct KeyReport {
    schema: &'static str,
    file: String,
    key_digest: Sha384Digest,
}

pub(crate) fn run(command: IdBlockCommand, output: &Output) -> anyhow::Result<Outcome> {
    match command {
        IdBlockCommand::New(args) => new(&args, output),
        IdBlockCommand::Key(args) => key(&args, output),
        IdBlockCommand::Attach(args) => attach(&args, output),
        IdBlockCommand::Strip(args) => strip(&args, output),
    }
}

fn new(args: &IdBlockNew, output: &Output) -> anyhow::Result<Outcome> {
    let bytes = input::bytes(&args.file)?;
    let identity = Identity {
        family_id: *args.family_id.as_bytes(),
        image_id: *args.image_id.as_bytes(),
        guest_svn: args.guest_svn,
    };
    let block = IgvmFile::parse(&bytes)
        .map_err(anyhow::Error::new)
        .and_then(|file| {
            let vcpus = vcpus(&args.loader)?;
            Ok(IdBlock::for_file(
                &file,
                args.loader.loader,
                vcpus,
                identity,
            )?)
        })
        .with_context(|| args.file.display().to_string())?;
    write(&args.output, &block.to_bytes())?;
    let report = Report::new(&args.output, &block, None);
    output.print(&report, Report::text)?;
    output.note(&format!(
        "To sign it: openssl dgst -sha384 -sign KEY -out SIGNATURE {}",
        args.output.display()
    ));
    Ok(Outcome::Good)
}

fn key(args: &IdBlockKey, output: &Output) -> anyhow::Result<Outcome> {
    let key = read(&args.key, PublicKey::from_file)?;
    write(&args.output, key.to_bytes().as_bytes())?;
    let report = KeyReport {
        schema: "guestmark/idblock-key/1",
        file: args.output.display().to_string(),
        key_digest: key.digest(),
    };
    output.print(&report, |report| {
        let row = ["Key digest".to_owned(), report.key_digest.to_string()];
        format!("{}\n\n{}", report.file, table(["", ""], [row]))
    })?;
    Ok(Outcome::Good)
}

fn attach(args: &IdBlockAttach, output: &Output) -> anyhow::Result<Outcome> {
    let bytes = input::bytes(&args.file)?;
    let block = read(&args.block, IdBlock::from_bytes)?;
    let author = match (&args.author_signature, &args.author_key) {
        (Some(signature), Some(key)) => Some(Author {
            signature: read(signature, Signature::from_detached)?,
            key: read(key, PublicKey::from_file)?,
        }),
        _ => None,
    };
    let auth = IdAuthPage {
        id_signature: read(&args.signature, Signature::from_detached)?,
        id_key: read(&args.key, PublicKey::from_file)?,
        author,
    };
    let signed = SignedIdBlock { block, auth };
    let vcpus = vcpus(&args.loader)?;
    let attached = id_block::attach(&bytes, &signed, args.loader.loader, vcpus)
        .with_context(|| args.file.display().to_string())?;
    write(&args.output, &attached)?;
    let report = Report::new(&args.output, &signed.block, Some(&signed.auth));
    output.print(&report, Report::text)?;
    Ok(Outcome::Good)
}

fn strip(args: &IdBlockStrip, output: &Output) -> anyhow::Result<Outcome> {
    let bytes = input::bytes(&args.file)?;
    let name = || args.file.display().to_string();
    let stripped = id_block::strip(&bytes).with_context(name)?;
    let file = IgvmFile::parse(&bytes)?;
    let signed = SignedIdBlock::of(&file).with_context(name)?;
    let signed = signed.with_context(|| format!("{}: its ID block is not for SEV-SNP", name()))?;
    if let Some(folder) = &args.parts {
        write_parts(folder, &signed)?;
    }
    write(&args.output, &stripped)?;
    let report = Report::new(&args.output, &signed.block, Some(&signed.auth));
    output.print(&report, Report::text)?;
    Ok(Outcome::Good)
}

/// What `attach` takes, and the page that other tools take.
fn write_parts(folder: &Path, signed: &SignedIdBlock) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let put = |name: &str, bytes: &[u8]| write(&folder.join(name), bytes);
    let SignedIdBlock { block, auth } = signed;
    put("id-block.bin", &block.to_bytes())?;
    put("id-auth.bin", &auth.to_bytes())?;
    put("id-key.pem", auth.id_key.to_pem().as_bytes())?;
    put("id-signature.der", &auth.id_signature.to_der())?;
    if let Some(author) = &auth.author {
        put("author-key.pem", author.key.to_pem().as_bytes())?;
        put("author-signature.der", &author.signature.to_der())?;
    }
    Ok(())
}

fn vcpus(args: &IdBlockLoader) -> anyhow::Result<Option<NonZeroU32>> {
    let vcpus = args.vcpus.map(|count| {
        NonZeroU32::new(count).context("--vcpus 0: a guest has at least one processor")
    });
    vcpus.transpose()
}

fn read<T, E: std::error::Error + Send + Sync + 'static>(
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> anyhow::Result<T> {
    parse(&fs::read(path)?).with_context(|| path.display().to_string())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let file = OutputFile::begin(path)?;
    file.file()
        .write_all(bytes)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file.commit()?)
}

impl Report {
    fn new(written: &Path, block: &IdBlock, auth: Option<&IdAuthPage>) -> Self {
        Self {
            schema: "guestmark/idblock/1",
            file: written.display().to_string(),
            launch_digest: block.launch_digest,
            family_id: hex::encode(block.family_id),
            image_id: hex::encode(block.image_id),
            guest_svn: block.guest_svn,
            policy: format!("{:#x}", block.policy),
            id_key_digest: auth.map(|auth| auth.id_key.digest()),
            author_key_digest: auth
                .and_then(|auth| auth.author)
                .map(|author| author.key.digest()),
        }
    }

    fn text(&self) -> String {
        let mut rows = vec![
            ["Launch digest", &self.launch_digest.to_string()].map(str::to_owned),
            ["Family ID", &self.family_id].map(str::to_owned),
            ["Image ID", &self.image_id].map(str::to_owned),
            ["Guest SVN", &self.guest_svn.to_string()].map(str::to_owned),
            ["Policy", &self.policy].map(str::to_owned),
        ];
        let digests = [
            ("ID key digest", self.id_key_digest),
            ("Author key digest", self.author_key_digest),
        ];
        for (name, digest) in digests {
            rows.extend(digest.map(|digest| [name.to_owned(), digest.to_string()]));
        }
        format!("{}\n\n{}", self.file, table(["", ""], rows))
    }
}
