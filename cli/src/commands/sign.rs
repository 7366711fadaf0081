//! `sign`: a build becomes a release; a rebuilder or a revoker gives its word.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use fs_err as fs;
use guestmark_builder::output::OutputFile;
use guestmark_manifests::folder::Folder;
use guestmark_manifests::manifest::{MANIFEST_NAME, Manifest, digest};
use guestmark_manifests::minisign;
use guestmark_manifests::release::{
    Content, Draft, DraftEnvelope, Endorser, MINISIGN_NAME, Message, Minisign, Place, Signatures,
};
use guestmark_manifests::signer::{CommandSigner, KeyId, PemSigner, Signer, SigningCommand};
use guestmark_manifests::{CertificateChain, DidX509, SigningTime};
use guestmark_measure::Sha256Digest;
use guestmark_measure::ecdsa::PublicKey;
use jiff::Timestamp;
use serde::Serialize;

use crate::args::{EndorsementArgs, MinisignArgs, RoleArg, Sign, SignerArgs};
use crate::output::{Outcome, Output, table};

/// Said whenever a private key lies in a file.
const DEVELOPMENT: &str = "\
WARNING: signed with a private key that lies in a file. This is for development: who
copies the file can sign for you. Publish with --signer, or with --to-be-signed and
--signatures.";

/// What was written.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    role: &'static str,
    written: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<ReleaseReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<Sha256Digest>,
    development_key: bool,
    to_be_signed: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ReleaseReport {
    feed: String,
    sequence: u64,
    manifest_sha256: Sha256Digest,
}

/// What is to be signed.
enum Drafted {
    Release(Box<Draft>),
    Envelope(DraftEnvelope),
}

pub(crate) fn run(args: &Sign, output: &Output) -> anyhow::Result<Outcome> {
    let draft = draft(args)?;
    let mut report = Report {
        schema: "guestmark/sign/1",
        role: role(args.role),
        written: String::new(),
        release: match &draft {
            Drafted::Release(draft) => Some(ReleaseReport::new(draft.manifest())?),
            Drafted::Envelope(_) => None,
        },
        key_id: None,
        development_key: args.signer.key.is_some(),
        to_be_signed: Vec::new(),
    };
    if let Some(folder) = &args.signer.to_be_signed {
        report.to_be_signed = write_messages(&draft, folder)?;
        report.written = folder.display().to_string();
        output.print(&report, Report::text)?;
        output.note(
            "To sign each file F of it: openssl dgst -sha384 -sign KEY -out F.sig F\n\
             Then run this again with --signatures instead of --to-be-signed.",
        );
        return Ok(Outcome::Good);
    }
    let path = args.output.as_ref().context("--output is missing")?;
    let source = Source::new(&args.signer)?;
    let key = source.key()?;
    let signatures = source.signatures();
    match draft {
        Drafted::Release(mut draft) => {
            if let Some(message) = draft.corim_message() {
                draft.sign_corim(&corim_signature(args, &message)?)?;
            }
            let minisign = minisign_of(&args.minisign, &args.signer)?;
            draft
                .sign(&key, &signatures, minisign.as_ref())?
                .write(path)?;
        }
        Drafted::Envelope(draft) => draft.write(&key, &signatures, path)?,
    }
    report.key_id = Some(KeyId::of(&key).digest());
    report.written = path.display().to_string();
    output.print(&report, Report::text)?;
    if report.development_key {
        output.note(DEVELOPMENT);
    }
    Ok(Outcome::Good)
}

fn draft(args: &Sign) -> anyhow::Result<Drafted> {
    let named = || args.source.display().to_string();
    let placed = args.place.feed.is_some() || args.place.previous.is_some();
    let endorsed = args.endorsement.chain.is_some() || args.corim.corim_chain.is_some();
    if args.endorsement.signing_time.is_some() && !endorsed {
        bail!("--signing-time goes with --chain or --corim-chain");
    }
    let minisigned =
        args.minisign.minisign_key.is_some() || args.minisign.minisign_public_key.is_some();
    if args.role != RoleArg::Publisher && (placed || endorsed || minisigned) {
        bail!("--feed, --previous, --chain and minisign are the publisher's: leave them out");
    }
    if args.role == RoleArg::Revoker {
        let bytes = fs::read(&args.source)?;
        return Ok(Drafted::Envelope(DraftEnvelope::revocations(
            &bytes,
            &named(),
        )?));
    }
    let folder = Folder::open(&args.source)?;
    if args.role == RoleArg::Rebuilder {
        let content = Content::read(folder).with_context(named)?;
        return Ok(Drafted::Envelope(DraftEnvelope::rebuild(&content)?));
    }
    if folder.names().with_context(named)?.contains(MANIFEST_NAME) {
        if placed {
            bail!(
                "{}: is a release, which has its feed and its place",
                named()
            );
        }
        return Ok(Drafted::Release(Box::new(
            Draft::of_release(folder).with_context(named)?,
        )));
    }
    let content = Content::read(folder).with_context(named)?;
    let place = Place {
        feed: args
            .place
            .feed
            .clone()
            .unwrap_or_else(|| content.recipe.name.clone()),
        previous: args.place.previous.as_ref().map(fs::read).transpose()?,
    };
    let mut draft = Draft::of_build(content, &place).with_context(named)?;
    let time = args.endorsement.signing_time;
    let EndorsementArgs { chain, issuer, .. } = &args.endorsement;
    if let Some(endorser) = endorser(chain, issuer, time)? {
        draft.endorse(&endorser)?;
    }
    if let Some(endorser) = endorser(&args.corim.corim_chain, &args.corim.corim_issuer, time)? {
        draft.endorse_corim(&endorser)?;
    }
    Ok(Drafted::Release(Box::new(draft)))
}

fn endorser(
    chain: &Option<PathBuf>,
    issuer: &Option<DidX509>,
    time: Option<Timestamp>,
) -> anyhow::Result<Option<Endorser>> {
    let (Some(chain), Some(issuer), Some(time)) = (chain, issuer, time) else {
        return Ok(None);
    };
    let seconds = u64::try_from(time.as_second()).context("--signing-time is before 1970")?;
    let certificates = CertificateChain::from_pem(&fs::read(chain)?);
    Ok(Some(Endorser {
        issuer: issuer.clone(),
        chain: certificates.with_context(|| chain.display().to_string())?,
        signing_time: SigningTime::from_unix(seconds)?,
    }))
}

/// The signature over the CoRIM document: from its command, or from the folder of signatures.
fn corim_signature(args: &Sign, message: &Message) -> anyhow::Result<Vec<u8>> {
    if let Some(command) = &args.corim.corim_signer {
        let timeout = Duration::from_secs(args.signer.timeout);
        return Ok(SigningCommand::new(command, timeout)?.give(&message.bytes)?);
    }
    let folder = args.signer.signatures.as_ref().context(
        "--corim-chain needs somebody who signs: give --corim-signer, or sign step by step with \
         --to-be-signed and --signatures",
    )?;
    Ok(fs::read(folder.join(format!("{}.sig", message.name)))?)
}

fn role(role: RoleArg) -> &'static str {
    match role {
        RoleArg::Publisher => "publisher",
        RoleArg::Rebuilder => "rebuilder",
        RoleArg::Revoker => "revoker",
    }
}

fn write_messages(draft: &Drafted, folder: &Path) -> anyhow::Result<Vec<String>> {
    let messages: Vec<Message> = match draft {
        Drafted::Release(draft) => draft.messages(),
        Drafted::Envelope(draft) => vec![draft.message()],
    };
    fs::create_dir_all(folder)?;
    for message in &messages {
        let file = OutputFile::begin(&folder.join(&message.name))?;
        file.file().write_all(&message.bytes)?;
        file.commit()?;
    }
    Ok(messages.into_iter().map(|message| message.name).collect())
}

/// Where signatures come from, and the key that they are verified with.
enum Source {
    Signer(Box<dyn Signer>),
    Folder(Folder, PublicKey),
}

impl Source {
    fn new(args: &SignerArgs) -> anyhow::Result<Self> {
        if let Some(file) = &args.key {
            return Ok(Self::Signer(Box::new(PemSigner::read(file)?)));
        }
        let file = args
            .public_key
            .as_ref()
            .context("--public-key is missing")?;
        let key = PublicKey::from_file(&fs::read(file)?);
        let key = key.with_context(|| file.display().to_string())?;
        if let Some(folder) = &args.signatures {
            return Ok(Self::Folder(Folder::open(folder)?, key));
        }
        let command = args.signer.as_ref().context("--signer is missing")?;
        let timeout = Duration::from_secs(args.timeout);
        let command = SigningCommand::new(command, timeout)?;
        Ok(Self::Signer(Box::new(CommandSigner::new(command, key))))
    }

    fn key(&self) -> anyhow::Result<PublicKey> {
        match self {
            Self::Signer(signer) => Ok(PublicKey::from_file(signer.public_key())?),
            Self::Folder(_, key) => Ok(*key),
        }
    }

    fn signatures(&self) -> Signatures<'_> {
        match self {
            Self::Signer(signer) => Signatures::Signer(signer.as_ref()),
            Self::Folder(folder, _) => Signatures::Folder(folder),
        }
    }
}

fn minisign_of(args: &MinisignArgs, signer: &SignerArgs) -> anyhow::Result<Option<Minisign>> {
    if let Some(file) = &args.minisign_key {
        let key = minisign::SecretKey::read(&fs::read_to_string(file)?);
        let key = key.with_context(|| file.display().to_string())?;
        return Ok(Some(Minisign::Key(key)));
    }
    let (Some(file), Some(folder)) = (&args.minisign_public_key, &signer.signatures) else {
        return Ok(None);
    };
    let key = fs::read_to_string(file)?.parse::<minisign::PublicKey>();
    let key = key.with_context(|| file.display().to_string())?;
    let text: PathBuf = folder.join(MINISIGN_NAME);
    Ok(Some(Minisign::Signature(fs::read_to_string(text)?, key)))
}

impl ReleaseReport {
    fn new(manifest: &Manifest) -> anyhow::Result<Self> {
        let bytes = manifest.to_bytes().map_err(anyhow::Error::msg)?;
        Ok(Self {
            feed: manifest.feed.clone(),
            sequence: manifest.sequence,
            manifest_sha256: digest(&bytes),
        })
    }
}

impl Report {
    fn text(&self) -> String {
        let mut rows = Vec::new();
        if let Some(release) = &self.release {
            rows.push(["Feed".to_owned(), release.feed.clone()]);
            rows.push(["Release".to_owned(), release.sequence.to_string()]);
            rows.push([
                "Manifest SHA-256".to_owned(),
                release.manifest_sha256.to_string(),
            ]);
        }
        if let Some(key) = &self.key_id {
            rows.push([format!("Key of the {}", self.role), key.to_string()]);
        }
        rows.extend(
            self.to_be_signed
                .iter()
                .map(|name| ["To be signed".to_owned(), name.clone()]),
        );
        format!("{}\n\n{}", self.written, table(["", ""], rows))
    }
}
