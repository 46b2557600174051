#!/usr/bin/env bash
# Certificates, keys and stores for secured listeners and their clients, in the working directory: by OpenSSL and keytool.
# The password of every store is "changeit", that of a key that has its own is "key-secret".
set -euo pipefail
password=changeit
key_password=key-secret

cat >ca.cnf <<'END'
[ca]
default_ca=d
[d]
database=index.txt
rand_serial=yes
default_md=sha256
policy=p
new_certs_dir=.
unique_subject=no
[p]
commonName=supplied
END
: >index.txt

authority() { # FILE CN
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=$2" \
    -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$1.key" -out "$1.pem"
}

certificate() { # FILE CN SUBJECT-ALTERNATIVE-NAMES AUTHORITY [BEGIN END [KEY-OPTIONS...]]
  local file=$1 name=$2 alternatives=$3 authority=$4 begin=${5:-20200101000000Z} end=${6:-20450101000000Z}
  shift $(($# > 6 ? 6 : $#))
  (($#)) || set -- ec -pkeyopt ec_paramgen_curve:prime256v1
  openssl req -new -newkey "$@" -nodes -subj "/CN=$name" -keyout "$file.key" -out "$file.csr"
  {
    printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n'
    printf 'authorityKeyIdentifier=keyid\n%s\n' "${alternatives:+subjectAltName=$alternatives}"
  } >extensions
  openssl ca -batch -notext -config ca.cnf -cert "$authority.pem" -keyfile "$authority.key" -startdate "$begin" -enddate "$end" \
    -in "$file.csr" -out "$file.pem" -extfile extensions
  cat "$file.key" "$file.pem" "$authority.pem" >"$file.keystore.pem"
  openssl pkcs12 -export -in "$file.pem" -inkey "$file.key" -certfile "$authority.pem" -name "$file" -passout "pass:$password" -out "$file.p12"
}

here="DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1"
authority ca "Test CA"
authority other-ca "Other CA"
certificate server localhost "$here" ca
certificate wrong-name wrong.example "DNS:wrong.example" ca
certificate expired localhost "$here" ca 20200101000000Z 20200102000000Z
certificate not-yet localhost "$here" ca 20440101000000Z 20450101000000Z
certificate other-authority localhost "$here" other-ca
certificate client alice "" ca
certificate rsa-server localhost "$here" ca "" "" rsa:2048
certificate rsa-client alice "" ca "" "" rsa:2048
certificate other-client mallory "" other-ca
certificate expired-client alice "" ca 20200101000000Z 20200102000000Z

# What is to be trusted.
trust() { # FILE TYPE OPTIONS...
  local file=$1 kind=$2
  shift 2
  keytool -importcert -noprompt -alias ca -file ca.pem -keystore "$file" -storetype "$kind" -storepass "$password" "$@"
}
trust truststore.p12 PKCS12
trust truststore-java8.p12 PKCS12 -J-Dkeystore.pkcs12.legacy
trust truststore.jks JKS
openssl pkcs12 -export -nokeys -in ca.pem -passout "pass:$password" -out truststore-openssl.p12

# The client's key in every form that there is.
openssl pkcs8 -topk8 -in client.key -passout "pass:$key_password" -v2 aes256 -out client.pbes2.key
openssl pkcs8 -topk8 -in client.key -passout "pass:$key_password" -v1 PBE-SHA1-3DES -out client.pbes1.key
openssl ec -in client.key -out client.sec1.key
openssl rsa -in rsa-client.key -traditional -out rsa-client.pkcs1.key
for form in pbes2 pbes1 sec1; do cat "client.$form.key" client.pem ca.pem >"client.$form.pem"; done
cat rsa-client.pkcs1.key rsa-client.pem ca.pem >rsa-client.pkcs1.pem
openssl pkcs12 -export -legacy -in client.pem -inkey client.key -certfile ca.pem -name client -passout "pass:$password" -out client-openssl1.p12
copy() { # FILE TYPE OPTIONS...
  local file=$1 kind=$2
  shift 2
  keytool -importkeystore -noprompt -srckeystore client.p12 -srcstorepass "$password" -srcalias client \
    -destkeystore "$file" -deststoretype "$kind" -deststorepass "$password" "$@"
}
copy client-java17.p12 PKCS12
copy client-java8.p12 PKCS12 -J-Dkeystore.pkcs12.legacy
copy client.jks JKS -destkeypass "$password"
copy client-two-passwords.jks JKS -destkeypass "$key_password"

# Who signs tokens, and somebody else.
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out issuer.key
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out forger.key
rm -f ./*.csr extensions index.txt* ca.cnf ./[0-9A-F][0-9A-F]*.pem
