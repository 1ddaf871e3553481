//! TLS: own certificate files, or a local certificate authority made on first start.
//!
//! The authority lasts ten years and is installed once on each device; the server's own certificate is made anew at each
//! start, for the names and addresses that it has then.

use crate::keys::write_secret;
use anyhow::Context as _;
use axum_server::tls_rustls::RustlsConfig;
use lectern_base::{Config, config::Tls};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
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

/// Whether the named files can be used.
pub fn checked(config: &Config) -> anyhow::Result<()> {
    if let (Tls::Files, Some(cert), Some(key)) = (config.http.tls, &config.http.cert, &config.http.key) {
        for file in [cert, key] {
            fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
        }
    }
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

fn local_ca(dir: &Path, names: Vec<String>) -> anyhow::Result<Made> {
    fs::create_dir_all(dir).with_context(|| format!("could not make {}", dir.display()))?;
    let (key_file, cert_file) = (dir.join("ca.key"), dir.join("ca.crt"));
    let key = match fs::read_to_string(&key_file) {
        Ok(pem) => KeyPair::from_pem(&pem).with_context(|| format!("could not use {}", key_file.display()))?,
        Err(_) => {
            let key = KeyPair::generate().context("could not make a key")?;
            write_secret(&key_file, key.serialize_pem().as_bytes())?;
            key
        }
    };
    let params = ca_params(&key);
    let ca = match fs::read_to_string(&cert_file) {
        Ok(pem) => pem,
        Err(_) => {
            let pem = params.self_signed(&key).context("could not make the local authority")?.pem();
            fs::write(&cert_file, &pem).with_context(|| format!("could not write {}", cert_file.display()))?;
            pem
        }
    };
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
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let parts: Vec<String> = Sha256::digest(&der).iter().map(|b| format!("{b:02X}")).collect();
    Some(parts.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_stays_and_the_certificate_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let names = || vec!["localhost".to_owned(), "192.0.2.1".to_owned()];
        let (first, second) = (local_ca(dir.path(), names()).unwrap(), local_ca(dir.path(), names()).unwrap());
        assert_eq!(first.ca, second.ca);
        assert_ne!(first.chain, second.chain);
        assert_eq!(fingerprint(&first.ca).map(|f| f.len()), Some(95));
    }
}
