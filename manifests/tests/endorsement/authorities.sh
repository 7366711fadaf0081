# Throwaway authorities and leaves, made anew in the current folder by each run of the tests.
set -e
printf '[req]\ndistinguished_name=dn\n[dn]\n' >openssl.cnf

# keys CURVE NAME...
keys() {
  local curve=$1 && shift
  for name in "$@"; do
    openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:$curve" -out "$name.key"
  done
}

# certificate NAME SUBJECT ISSUER OPTION...: an ISSUER of the same NAME signs itself.
certificate() {
  local name=$1 subject=$2 issuer=$3 by=()
  shift 3
  [[ $issuer == "$name" ]] || by=(-CA "$issuer.pem" -CAkey "$issuer.key")
  openssl req -x509 -config openssl.cnf -new -key "$name.key" -subj "/CN=$subject" -days 30 \
    "${by[@]}" -sha384 "$@" -out "$name.pem"
  openssl x509 -in "$name.pem" -outform DER -out "$name.der"
}

ca=(-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign)
last=(-addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=keyCertSign)
leaf=(-addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature)
usage=(-addext extendedKeyUsage=1.3.6.1.4.1.99999.1.2)

keys P-384 root ca leaf other rogue-root rogue-ca rogue-leaf below open-ca
keys P-256 p256-leaf p256-root
certificate root Root root "${ca[@]}"
certificate ca Issuing root "${last[@]}"
certificate leaf Leaf ca "${leaf[@]}" "${usage[@]}"

certificate rogue-root Root rogue-root "${ca[@]}"
certificate rogue-ca Issuing rogue-root "${last[@]}"
certificate rogue-leaf Leaf rogue-ca "${leaf[@]}" "${usage[@]}"

# Each differs from the good one in one thing, and has the same key.
variant() {
  local name=$1 key=$2
  shift 2
  ln -s "$key.key" "$name.key"
  certificate "$name" "$@"
}
variant usage-less leaf Leaf ca "${leaf[@]}"
variant usage-ca ca Issuing root "${last[@]}" "${usage[@]}"
variant authority-leaf leaf Leaf ca -addext basicConstraints=CA:TRUE "${usage[@]}"
variant sha1 leaf Leaf ca "${leaf[@]}" "${usage[@]}" -sha1
variant no-signing leaf Leaf ca -addext keyUsage=keyEncipherment "${usage[@]}"
variant no-cert-sign ca Issuing root -addext basicConstraints=CA:TRUE \
  -addext keyUsage=digitalSignature
variant critical leaf Leaf ca "${leaf[@]}" "${usage[@]}" \
  -addext 1.3.6.1.4.1.99999.9=critical,DER:0500
variant public-usage leaf Leaf ca "${leaf[@]}" -addext extendedKeyUsage=codeSigning
certificate below Below ca "${ca[@]}"
variant deep leaf Leaf below "${leaf[@]}" "${usage[@]}"
certificate p256-leaf Leaf ca "${leaf[@]}" "${usage[@]}"

# Names for the other policies of did:x509.
openssl req -x509 -config openssl.cnf -new -key leaf.key -days 30 -CA ca.pem -CAkey ca.key -sha384 \
  -subj '/C=US/O=Example Org/OU=a/OU=b/CN=Leaf' "${leaf[@]}" "${usage[@]}" \
  -addext subjectAltName=email:bob@example.com,DNS:example.com,URI:https://example.com/a \
  -outform DER -out named.der

# RSA, and P-256 with SHA-256.
for name in rsa-root rsa-leaf; do
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$name.key" 2>/dev/null
done
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out short.key 2>/dev/null
pss=(-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest)
certificate rsa-root RsaRoot rsa-root "${ca[@]}" -sha512
certificate rsa-leaf RsaLeaf rsa-root "${leaf[@]}" "${usage[@]}" "${pss[@]}" -sha256
variant pss-sha1 rsa-leaf RsaLeaf rsa-root "${leaf[@]}" "${usage[@]}" "${pss[@]}" -sha1
certificate short Short rsa-root "${leaf[@]}" "${usage[@]}"
certificate p256-root P256Root p256-root "${ca[@]}" -sha256
variant p256-signed leaf Leaf p256-root "${leaf[@]}" "${usage[@]}" -sha256

for name in leaf rsa-leaf; do
  openssl pkey -in "$name.key" -pubout -outform DER -out "$name.spki"
done
