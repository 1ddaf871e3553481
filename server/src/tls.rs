//! TLS: own certificate files, or a local certificate authority made on first start.
//!
//! The authority lasts ten years and is installed once on each device; the server's own certificate is made anew at each
//! start, for the names and addresses that it has then.

use crate::keys::{write_secret, write_whole};
use anyhow::Context as _;
use axum_server::tls_rustls::RustlsConfig;
use lectern_base::{Config, config::Tls};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    io::ErrorKind,
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime},
};

/// What HTTP is served with.
pub struct Https {
    /// The server's side.
    pub config: RustlsConfig,
    /// The local authority's certificate (PEM), if one is in use.
    pub local_ca: Option<String>,
}

/// Browsers refuse longer lives (398 days, counted with a clock that may be a day off).
const LEAF_LIFETIME: Duration = Duration::from_secs(390 * 24 * 3600);
const CA_LIFETIME: Duration = Duration::from_secs(3650 * 24 * 3600);

/// Whether the files that a start would use can be used.
pub fn checked(config: &Config) -> anyhow::Result<()> {
    match (config.http.tls, &config.http.cert, &config.http.key) {
        (Tls::Files, Some(cert), Some(key)) => {
            let (chain, private) = (read_pem(cert)?, read_pem(key)?);
            fits(&chain, &private).with_context(|| format!("could not use {} with {}", cert.display(), key.display()))
        }
        (Tls::LocalCa, ..) => kept_ca(&config.storage.data.join("tls")).map(|_| ()),
        _ => Ok(()),
    }
}

fn read_pem(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))
}

/// Whether the first certificate of the chain is that of the private key, both PEM.
fn fits(chain: &str, key: &str) -> anyhow::Result<()> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>()?;
    anyhow::ensure!(!chain.is_empty(), "there is no certificate in the file");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).context("there is no private key in the file")?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    rustls::sign::CertifiedKey::from_der(chain, key, &provider)
        .context("certificate and key do not belong together")?;
    Ok(())
}

/// Prepares TLS; `None` for plain http on this machine.
pub async fn prepare(config: &Config, addresses: &[IpAddr]) -> anyhow::Result<Option<Https>> {
    // Two crates of the workspace could each bring a provider: say which one, once.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
    match (config.http.tls, &config.http.cert, &config.http.key) {
        (Tls::Off, ..) => Ok(None),
        (Tls::Files, Some(cert), Some(key)) => {
            let config = RustlsConfig::from_pem_chain_file(cert, key)
                .await
                .with_context(|| format!("could not use {} with {}", cert.display(), key.display()))?;
            Ok(Some(Https { config, local_ca: None }))
        }
        (Tls::Files, ..) => anyhow::bail!("http.cert and http.key are needed with http.tls = \"files\""),
        (Tls::LocalCa, ..) => {
            let names = leaf_names(config, addresses);
            let made = local_ca(&config.storage.data.join("tls"), names)?;
            let config = RustlsConfig::from_pem(made.chain.into_bytes(), made.key.into_bytes())
                .await
                .context("could not use the certificate that was just made")?;
            Ok(Some(Https { config, local_ca: Some(made.ca) }))
        }
    }
}

fn leaf_names(config: &Config, addresses: &[IpAddr]) -> Vec<String> {
    let public = config.http.public_url.as_deref().and_then(|url| url.split("://").nth(1));
    let public =
        public.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']).to_owned());
    let own = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let mut names: Vec<String> = own.into_iter().collect();
    names.extend(fs::read_to_string("/etc/hostname").ok().map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()));
    names.extend(public);
    names.extend(config.http.names.iter().cloned());
    names.extend(addresses.iter().filter(|a| !a.is_unspecified()).map(ToString::to_string));
    names.sort();
    names.dedup();
    names
}

struct Made {
    ca: String,
    chain: String,
    key: String,
}

/// The authority as it is kept: its key and its certificate, both PEM. `None` before the first start.
///
/// Devices trust this very authority. What is damaged or half missing is therefore never made anew: the operator decides.
fn kept_ca(dir: &Path) -> anyhow::Result<Option<(String, String)>> {
    let read = |file: &Path| match fs::read_to_string(file) {
        Ok(pem) => Ok(Some(pem)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("could not read {}", file.display())),
    };
    let (key_file, cert_file) = (dir.join("ca.key"), dir.join("ca.crt"));
    match (read(&key_file)?, read(&cert_file)?) {
        (None, None) => Ok(None),
        (Some(key), Some(cert)) => {
            fits(&cert, &key).with_context(|| {
                format!(
                    "could not use {} with {}: put both back from a back-up, or remove both to make a new authority, \
                     which every device must then install",
                    cert_file.display(),
                    key_file.display()
                )
            })?;
            Ok(Some((key, cert)))
        }
        (found, _) => {
            let (here, missing) = if found.is_some() { (&key_file, &cert_file) } else { (&cert_file, &key_file) };
            anyhow::bail!(
                "{} is there but {} is not: put it back from a back-up, or remove both to make a new authority, which \
                 every device must then install",
                here.display(),
                missing.display()
            )
        }
    }
}

fn local_ca(dir: &Path, names: Vec<String>) -> anyhow::Result<Made> {
    fs::create_dir_all(dir).with_context(|| format!("could not make {}", dir.display()))?;
    let (key, ca) = match kept_ca(dir)? {
        Some((key, cert)) => (KeyPair::from_pem(&key).context("could not use the local authority's key")?, cert),
        None => {
            let key = KeyPair::generate().context("could not make a key")?;
            let cert = ca_params(&key).self_signed(&key).context("could not make the local authority")?.pem();
            write_secret(&dir.join("ca.key"), key.serialize_pem().as_bytes())?;
            write_whole(&dir.join("ca.crt"), cert.as_bytes(), 0o644)?;
            (key, cert)
        }
    };
    let params = ca_params(&key);
    let issuer = Issuer::new(params, key);
    let leaf_key = KeyPair::generate().context("could not make a key")?;
    let mut leaf = CertificateParams::new(names).context("a name in http.names cannot stand in a certificate")?;
    leaf.distinguished_name.push(DnType::CommonName, "Lectern");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    span(&mut leaf, LEAF_LIFETIME);
    let leaf = leaf.signed_by(&leaf_key, &issuer).context("could not make the server's certificate")?;
    Ok(Made { chain: format!("{}{ca}", leaf.pem()), ca, key: leaf_key.serialize_pem() })
}

/// The same for the same key, so that it can issue again after a restart.
fn ca_params(key: &KeyPair) -> CertificateParams {
    let mark = Sha256::digest(key.public_key_raw());
    let mut params = CertificateParams::default();
    let name = format!("Lectern local CA {:02x}{:02x}{:02x}{:02x}", mark[0], mark[1], mark[2], mark[3]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    span(&mut params, CA_LIFETIME);
    params
}

/// Valid from a day ago: classroom PCs with a dead battery are often a little behind.
fn span(params: &mut CertificateParams, lifetime: Duration) {
    let day = Duration::from_secs(24 * 3600);
    params.not_before = (SystemTime::now() - day).into();
    params.not_after = (SystemTime::now() + lifetime).into();
}

/// SHA-256 fingerprint of a PEM certificate, as people compare it.
pub fn fingerprint(pem: &str) -> Option<String> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let parts: Vec<String> = Sha256::digest(&der).iter().map(|b| format!("{b:02X}")).collect();
    Some(parts.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_authority_stays_and_the_certificate_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let names = || vec!["localhost".to_owned(), "192.0.2.1".to_owned()];
        let (first, second) = (local_ca(dir.path(), names()).unwrap(), local_ca(dir.path(), names()).unwrap());
        assert_eq!(first.ca, second.ca);
        assert_ne!(first.chain, second.chain);
        assert_eq!(fingerprint(&first.ca).map(|f| f.len()), Some(95));
        let mode = |name| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("ca.key"), mode("ca.crt") & 0o600), (0o600, 0o600));
    }

    /// Each classroom installed this authority by hand: whatever happened to its files, no other takes its place unasked.
    #[test]
    fn a_damaged_authority_is_not_replaced() {
        let made = |dir: &Path| local_ca(dir, vec!["localhost".into()]);
        let other = tempfile::tempdir().unwrap();
        made(other.path()).unwrap();
        let foreign = fs::read(other.path().join("ca.key")).unwrap();
        type Harm<'a> = (&'a str, &'a dyn Fn(&Path));
        let harms: [Harm<'_>; 5] = [
            ("the key is missing", &|dir| fs::remove_file(dir.join("ca.key")).unwrap()),
            ("the certificate is missing", &|dir| fs::remove_file(dir.join("ca.crt")).unwrap()),
            ("the key is cut off", &|dir| fs::write(dir.join("ca.key"), "-----BEGIN").unwrap()),
            ("the key is not text", &|dir| fs::write(dir.join("ca.key"), [0xff, 0xfe]).unwrap()),
            ("the key is another's", &|dir| fs::write(dir.join("ca.key"), &foreign).unwrap()),
        ];
        for (what, harm) in harms {
            let dir = tempfile::tempdir().unwrap();
            made(dir.path()).unwrap();
            harm(dir.path());
            let kept = || ["ca.key", "ca.crt"].map(|name| fs::read(dir.path().join(name)).ok());
            let before = kept();
            let refused = made(dir.path()).err().unwrap_or_else(|| panic!("{what}, and it starts"));
            assert!(format!("{refused:#}").contains("ca.key"), "{what}: {refused:#}");
            assert_eq!(kept(), before, "{what}, and it writes");
        }
    }

    #[test]
    fn a_check_reads_what_a_start_would_use() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(dir.path().join(name));
        let made = local_ca(dir.path(), vec!["localhost".into()]).unwrap();
        let other = local_ca(&dir.path().join("other"), vec!["localhost".into()]).unwrap();
        fs::write(dir.path().join("good.pem"), &made.chain).unwrap();
        fs::write(dir.path().join("good.key"), &made.key).unwrap();
        fs::write(dir.path().join("other.key"), &other.key).unwrap();
        fs::write(dir.path().join("empty.pem"), "").unwrap();
        for (cert, key, want) in [
            ("good.pem", "good.key", None),
            ("good.pem", "other.key", Some("do not belong together")),
            ("empty.pem", "good.key", Some("no certificate")),
            ("good.pem", "good.pem", Some("no private key")),
            ("none.pem", "good.key", Some("could not read")),
        ] {
            let mut config = Config::default();
            (config.http.tls, config.http.cert, config.http.key) = (Tls::Files, path(cert), path(key));
            let told = checked(&config).err().map(|e| format!("{e:#}"));
            match want {
                None => assert_eq!(told, None, "{cert} {key}"),
                Some(want) => assert!(told.as_ref().is_some_and(|t| t.contains(want)), "{cert} {key}: {told:?}"),
            }
        }
    }
}
