#!/bin/sh
# Checks Lockgate receipts with a POSIX shell and openssl 3 alone; nothing is installed, nothing is sent anywhere.
#
#     verify.sh [--trust DIR] [--files DIR] [--allow-extra] [--at SECONDS] BUNDLE...
#
# BUNDLE is a *.receipt.zip (needs unzip) or its unpacked folder. DIR of --trust holds CA certificates (*.pem),
# log keys (*.vkey), revoked.json and policy; without --trust $LOCKGATE_TRUST, else /etc/lockgate/trust. --files
# is one study's folder. --at is the time of checking, in seconds since 1970; default: now.
# Exit status: 0 valid, 1 not valid, 2 unreadable. Trust anchors never come from a bundle.
#
# Checked: signature (CMS and DSSE, certificate chain, purpose, names, revocation), digests, chain, and log
# (proof and the log's Ed25519 signature). Not checked: the log's ML-DSA cosignature (openssl 3.0 has none),
# witness, time. What a changed file is (pixels or header) `lockgate verify` and verify.html say; here it is
# "changed". Stricter than those in one thing: keys of JSON objects with escapes in them are refused.
set -u
LC_ALL=C
export LC_ALL
umask 077

PURPOSE=2.25.214921789135005249558003775022496054785
PARTS='receipt.json receipt.dsse.json receipt.p7s chain.pem'
PROOF=receipt.tlog-proof

usage() {
    sed -n '4,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

trust=${LOCKGATE_TRUST:-}
files=
extra=
now=
while [ $# -gt 0 ]; do
    case $1 in
    --trust) trust=${2:?}; shift 2 ;;
    --files) files=${2:?}; shift 2 ;;
    --at) now=${2:?}; shift 2 ;;
    --allow-extra) extra=yes; shift ;;
    --) shift; break ;;
    -*) usage ;;
    *) break ;;
    esac
done
[ $# -gt 0 ] || usage
[ -n "$trust" ] || { [ -d /etc/lockgate/trust ] && trust=/etc/lockgate/trust; }
[ -n "$now" ] || now=$(awk 'BEGIN { srand(); print srand() }')

W=$(mktemp -d) || exit 2
trap 'rm -rf "$W"' EXIT
trap 'exit 2' HUP INT TERM

# ---- What is wrong: the first thing of a bundle ($B) is named, the layer fails.

refuse() { # LAYER CODE MESSAGE
    echo failed >"$B/$1"
    [ -s "$B/error" ] || printf '%s\n%s\n' "$2" "$3" >"$B/error"
    return 1
}

state() { # LAYER
    found=not-checked
    [ ! -e "$B/$1" ] || read -r found <"$B/$1"
    echo "$found"
}

# ---- Bytes.

size() { wc -c <"$1" | tr -d ' '; }

sha256() { openssl dgst -sha256 -r | cut -c1-64; }

STRICT='
    function strict(text,    n) {
        n = length(text)
        if (n % 4 || text !~ /^[A-Za-z0-9+\/]*=?=?$/) return 0
        if (text ~ /==$/) return index("AQgw", substr(text, n - 2, 1)) > 0
        if (text ~ /=$/) return index("AEIMQUYcgkosw048", substr(text, n - 1, 1)) > 0
        return 1
    }
    function octal(text,    i, k, d, held, out) {
        out = ""
        for (i = 1; i <= length(text); i += 4) {
            held = 0
            for (k = 0; k < 4; k++) held = held * 64 + (d = index(DIGITS, substr(text, i + k, 1))) - (d > 0)
            out = out sprintf("\\0%03o\\0%03o\\0%03o", int(held / 65536), int(held / 256) % 256, held % 256)
        }
        while (text ~ /=$/) { out = substr(out, 1, length(out) - 5); text = substr(text, 1, length(text) - 1) }
        return out
    }
    BEGIN { DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" }'

strict_base64() { # TEXT-FILE OUT: RFC 4648 with padding, no line breaks, no stray bits
    awk "$STRICT"' { if (NR > 1 || !strict($0)) bad = 1 } END { exit bad }' "$1" || return 1
    openssl base64 -d -A -in "$1" -out "$2" 2>/dev/null
}

# ---- JSON of strings, integers, arrays and objects. Prints one line a value: path, type, value, separated by
# tabs; the parts of a path end in \002, and texts are in their canonical escaped form. Status 1: no strict JSON;
# 2: strict, but not canonical (RFC 8785).

json() { # FILE
    [ "$(tr -cd '\000\001\002' <"$1" | wc -c)" -eq 0 ] || return 1
    iconv -f UTF-8 -t UTF-8 <"$1" >/dev/null 2>&1 || return 1
    awk '
    function bad() { failed = 1; exit 1 }
    function space(    c) {
        while ((c = substr(s, p, 1)) == " " || c == "\t" || c == "\n" || c == "\r") { p++; loose = 1 }
        return c
    }
    function put(path, type, value) { print path "\t" type "\t" value }
    function value(path,    c) {
        c = space()
        if (c == "{") object(path)
        else if (c == "[") array(path)
        else if (c == "\"") put(path, "s", text())
        else integer(path)
    }
    function object(path,    key, before, keys, c, count) {
        if (++depth > 900) bad()
        p++
        put(path, "o", "")
        if (space() == "}") { p++; depth--; return }
        for (;;) {
            if (space() != "\"") bad()
            key = text()
            if (index(key, "\\") || ((path key) in seen)) bad()
            seen[path key] = 1
            if (count++ && !(before "" < key "")) loose = 1
            before = key
            if (space() != ":") bad()
            p++
            value(path key SEP)
            c = space(); p++
            if (c == "}") break
            if (c != ",") bad()
        }
        depth--
    }
    function array(path,    c, count) {
        if (++depth > 900) bad()
        p++
        count = 0
        put(path, "a", "")
        if (space() == "]") { p++; depth--; return }
        for (;;) {
            value(path count++ SEP)
            c = space(); p++
            if (c == "]") break
            if (c != ",") bad()
        }
        depth--
    }
    function integer(path,    start, token) {
        start = p
        while (index("-0123456789", substr(s, p, 1)) && p <= length(s)) p++
        token = substr(s, start, p - start)
        if (token !~ /^-?(0|[1-9][0-9]*)$/ || token == "-0") bad()
        if (index(".eE", substr(s, p, 1)) && p <= length(s)) bad()
        sub(/^-/, "", token)
        if (length(token) > 16 || (length(token) == 16 && "x" token > "x9007199254740991")) bad()
        put(path, "i", substr(s, start, p - start))
    }
    function text(    start, c, out, run) {
        start = ++p
        out = ""
        for (;;) {
            run = p
            while ((c = substr(s, p, 1)) != "\"" && c != "\\") {
                if (p > length(s) || c < " ") bad()
                p++
            }
            out = out substr(s, run, p - run)
            if (c == "\"") break
            out = out escape()
        }
        p++
        return out
    }
    function escape(    c, code, low, raw, made) {
        raw = p
        c = substr(s, p + 1, 1)
        p += 2
        if (index("\"\\bfnrt", c) && c != "") return "\\" c
        if (c == "/") { loose = 1; return c }
        if (c != "u") bad()
        code = hex4()
        if (code >= 56320 && code < 57344) bad()
        if (code >= 55296 && code < 56320) {
            if (substr(s, p, 2) != "\\u") bad()
            p += 2
            low = hex4()
            if (low < 56320 || low > 57343) bad()
            code = 65536 + (code - 55296) * 1024 + low - 56320
        }
        made = character(code)
        if (made != substr(s, raw, p - raw)) loose = 1
        return made
    }
    function hex4(    i, digit, found) {
        found = 0
        for (i = 0; i < 4; i++) {
            digit = index("0123456789abcdef", tolower(substr(s, p + i, 1)))
            if (!digit || p + i > length(s)) bad()
            found = found * 16 + digit - 1
        }
        p += 4
        return found
    }
    function character(code) {
        if (code in short) return short[code]
        if (code < 32) return sprintf("\\u%04x", code)
        if (code < 128) return sprintf("%c", code)
        if (code < 2048) return sprintf("%c%c", 192 + int(code / 64), 128 + code % 64)
        if (code < 65536)
            return sprintf("%c%c%c", 224 + int(code / 4096), 128 + int(code / 64) % 64, 128 + code % 64)
        return sprintf("%c%c%c%c", 240 + int(code / 262144), 128 + int(code / 4096) % 64, \
            128 + int(code / 64) % 64, 128 + code % 64)
    }
    BEGIN {
        RS = "\001"; SEP = "\002"
        short[8] = "\\b"; short[9] = "\\t"; short[10] = "\\n"; short[12] = "\\f"; short[13] = "\\r"
        short[34] = "\\\""; short[92] = "\\\\"
    }
    { s = $0 }
    END {
        if (failed) exit 1
        p = 1
        if (space() != "{") exit 1
        value("")
        space()
        if (p <= length(s)) exit 1
        exit loose ? 2 : 0
    }' "$1"
}

field() { # FLAT-FILE KEY...: a text, by its path; nothing when it is absent or no text
    flat=$1
    shift
    awk -v want="$(printf '%s\002' "$@")" -F '\t' '$1 == want && $2 == "s" { print $3 }' "$flat"
}

# ---- Trust.

trust_error() { printf 'trust-unreadable\nin the trust folder: %s\n' "$1" >"$W/trust-error"; }

read_trust() {
    mkdir "$W/anchors"
    : >"$W/anchors.pem"; : >"$W/valid-anchors.pem"; : >"$W/vkeys"; : >"$W/revoked"
    level=0
    [ -n "$trust" ] || return 0
    [ -d "$trust" ] || { trust_error 'it cannot be read'; return 0; }
    if [ -e "$trust/revoked.json" ]; then
        json "$trust/revoked.json" >"$W/revoked.flat"
        case $? in 1) trust_error 'revoked.json is not strict JSON'; return 0 ;; esac
        awk -F '\t' '
            { n = split($1, part, "\002") }
            $1 == "keys\002" { if ($2 == "a") list = 1 }
            part[1] == "keys" && n == 3 { if ($2 != "o") bad = 1; else count++ }
            part[1] == "keys" && part[3] == "keyid" && n == 4 {
                if ($2 != "s" || length($3) != 64 || $3 ~ /[^0-9a-f]/) bad = 1; else { print $3; keyids++ }
            }
            part[1] == "keys" && part[3] == "invalidFrom" && n == 4 { if ($2 == "s") times++ }
            END { exit !(list && !bad && count + 0 == keyids + 0 && count + 0 == times + 0) }
        ' "$W/revoked.flat" >"$W/revoked" || { trust_error 'revoked.json is not as it must be'; return 0; }
    fi
    if [ -e "$trust/policy" ]; then
        json "$trust/policy" >"$W/policy.flat"
        [ $? != 1 ] || { trust_error 'policy is not strict JSON'; return 0; }
        level=$(awk -F '\t' '$1 == "minimumLevel\002" { print $2 $3 }' "$W/policy.flat")
        case ${level:-i0} in
        i[0-3]) level=${level#i}; level=${level:-0} ;;
        *) trust_error 'minimumLevel is none of 0, 1, 2, 3'; return 0 ;;
        esac
    fi
    for pem in "$trust"/*.pem; do
        [ -e "$pem" ] || continue
        split_pem "$pem" "$W/anchors/new" || { trust_error "${pem##*/} is no CA certificate"; return 0; }
        for one in "$W/anchors/new"*; do
            [ "$(extension "$one" basicConstraints | grep -c 'CA:TRUE')" = 1 ] || {
                trust_error "${pem##*/} is no CA certificate"; return 0; }
            cat "$one" >>"$W/anchors.pem"
            if [ ! -s "$W/revoked" ] || ! grep -qxF "$(keyid "$one")" "$W/revoked"; then cat "$one" >>"$W/valid-anchors.pem"; fi
            rm "$one"
        done
    done
    for vkey in "$trust"/*.vkey; do
        [ -e "$vkey" ] || continue
        read_vkeys "$vkey" || { trust_error 'a *.vkey file holds no verifier key'; return 0; }
    done
}

split_pem() { # FILE PREFIX: PREFIX1 PREFIX2 ...; fails when there is none, or one cannot be read
    awk -v prefix="$2" '
        /^-----BEGIN (X509 )?CERTIFICATE-----/ { inside = 1; name = prefix (++count) }
        inside { print >name }
        /^-----END (X509 )?CERTIFICATE-----/ { inside = 0; close(name) }
        END { exit count == 0 || inside }
    ' "$1" || return 1
    for one in "$2"*; do
        openssl x509 -in "$one" -noout -pubkey >/dev/null 2>&1 || return 1
    done
}

extension() { openssl x509 -in "$1" -noout -ext "$2" 2>/dev/null; }

keyid() { openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER | sha256; }

read_vkeys() { # FILE: lines `name keyid kind key-file` into $W/vkeys
    while IFS= read -r line || [ -n "$line" ]; do
        [ -n "$line" ] || continue
        name=${line%%+*}; rest=${line#*+}
        id=${rest%%+*}
        case $name in '' | *[!!-~]*) return 1 ;; esac
        keys=$((${keys:-0} + 1))
        printf %s "${rest#*+}" >"$W/vkey.text"
        strict_base64 "$W/vkey.text" "$W/vkey.$keys" || return 1
        found=$({ printf '%s\n' "$name"; cat "$W/vkey.$keys"; } | sha256 | cut -c1-8)
        [ "$found" = "$id" ] || return 1
        kind=$(od -An -tu1 -N1 "$W/vkey.$keys" | tr -d ' ')
        case "$kind $(size "$W/vkey.$keys")" in '1 33' | '6 1313') ;; '1 '* | '6 '*) return 1 ;; esac
        echo "$name $id $kind $W/vkey.$keys" >>"$W/vkeys"
    done <"$1"
}

# ---- The bundle: its parts into $B/in.

open_bundle() { # PATH
    mkdir "$B/in"
    if [ -d "$1" ]; then
        for part in $PARTS $PROOF; do
            [ ! -e "$1/$part" ] || [ -f "$1/$part" ] || { refuse S bundle-unreadable "$part is no plain file"; return 1; }
            [ ! -f "$1/$part" ] || cp "$1/$part" "$B/in/$part" 2>/dev/null || {
                refuse S bundle-unreadable 'the bundle cannot be read'; return 1; }
        done
    else
        open_zip "$1" || return 1
    fi
    for part in $PARTS; do
        [ -e "$B/in/$part" ] || { refuse S bundle-incomplete "the bundle lacks $part"; return 1; }
    done
    for limit in receipt.json:50331648 receipt.dsse.json:75497472 receipt.p7s:1048576 chain.pem:262144 $PROOF:262144; do
        [ ! -e "$B/in/${limit%:*}" ] || [ "$(size "$B/in/${limit%:*}")" -le "${limit#*:}" ] || {
            refuse S too-large "${limit%:*} is too large"; return 1; }
    done
}

open_zip() { # PATH
    if [ ! -f "$1" ] || [ "$(od -An -tx1 -N4 "$1" | tr -d ' ')" != 504b0304 ]; then
        refuse S bundle-unreadable 'this is no receipt bundle'; return 1
    fi
    command -v unzip >/dev/null || { refuse S bundle-unreadable 'there is no unzip: give the unpacked folder'; return 1; }
    damaged='refuse S bundle-damaged'
    unzip -Z1 "$1" >"$B/names" 2>/dev/null || { $damaged "the bundle's zip is damaged"; return 1; }
    [ "$(wc -l <"$B/names")" -le 64 ] || { refuse S too-large 'the bundle has more than 64 entries'; return 1; }
    [ -z "$(sort "$B/names" | uniq -d)" ] || { $damaged 'a name stands twice in the bundle'; return 1; }
    unzip -v "$1" 2>/dev/null | awk '$8 ~ /^receipt\.(json|dsse\.json|p7s|tlog-proof)$|^chain\.pem$/ {
        if ($2 != "Stored" || $1 != $3) exit 1 }' || { $damaged 'the bundle is compressed; bundles never are'; return 1; }
    for part in $PARTS $PROOF; do
        grep -qxF "$part" "$B/names" || continue
        # Its own answer to a damaged entry is on standard error and in its status.
        unzip -P '' -p "$1" "$part" >"$B/in/$part" 2>/dev/null </dev/null || {
            $damaged "an entry of the bundle is damaged"; return 1; }
    done
}

# ---- Layer S.

signature_layer() { # PATH
    open_bundle "$1" || return 1
    read_envelope || return 1
    read_chain || return 1
    check_signatures || return 1
    check_cms || return 1
    read_claims || return 1
    : >"$B/consistent"
    check_signer || return 1
    echo ok >"$B/S"
}

read_envelope() {
    json "$B/in/receipt.dsse.json" >"$B/envelope"
    [ $? != 1 ] || { refuse S json 'the envelope is not strict JSON'; return 1; }
    kind=$(field "$B/envelope" payloadType)
    [ "$kind" = application/vnd.in-toto+json ] || { refuse S payload-type 'the payload type is not in-toto'; return 1; }
    awk -F '\t' '
        $1 == "payload\002" && $2 == "s" { payload = 1 }
        $1 == "signatures\002" && $2 == "a" { list = 1 }
        { n = split($1, part, "\002") }
        part[1] == "signatures" && n == 3 { if ($2 != "o") bad = 1; count++ }
        part[1] == "signatures" && n == 4 && part[3] == "keyid" && $2 == "s" { ids++; if (seen[$3]++) bad = 1 }
        part[1] == "signatures" && n == 4 && part[3] == "sig" && $2 == "s" { sigs++ }
        END { exit !(payload && list && !bad && count >= 1 && count <= 16 && ids == count && sigs == count) }
    ' "$B/envelope" || { refuse S envelope 'the envelope has no signature, too many, or two by one key'; return 1; }
    awk -v out="$B/" -F '\t' "$STRICT"'
        function no() { failed = 1; exit 1 }
        $1 == "payload\002" { if (!strict($3)) no(); printf "%s", $3 >(out "payload.text") }
        { n = split($1, part, "\002") }
        part[1] != "signatures" || n != 4 { next }
        part[3] == "keyid" { id[part[2]] = $3 }
        part[3] == "sig" { if (!strict($3)) no(); sig[part[2]] = $3 }
        END {
            if (failed) exit 1
            for (n = 0; n in id; n++) { print n, sig[n] == "" ? "\\0000" : octal(sig[n]), id[n] }
        }
    ' "$B/envelope" >"$B/signatures" || { refuse S envelope 'a field of the envelope is not base64'; return 1; }
    touch "$B/payload.text"
    openssl base64 -d -A -in "$B/payload.text" -out "$B/payload"
    cmp -s "$B/payload" "$B/in/receipt.json" || {
        refuse S payload-differs 'receipt.json is not what the envelope carries: one of them was changed'; return 1; }
}

read_chain() { # lines `keyid file appliance|other` into $B/chain
    mkdir "$B/certs"
    split_pem "$B/in/chain.pem" "$B/certs/c" || {
        refuse S chain-certificates 'chain.pem is not a list of certificates'; return 1; }
    [ "$(find "$B/certs" -type f | wc -l)" -le 16 ] || {
        refuse S chain-certificates 'chain.pem has too many certificates'; return 1; }
    for one in "$B/certs/c"*; do
        role=other
        extension "$one" extendedKeyUsage | tr -s ', ' '\n' | grep -qxF "$PURPOSE" && role=appliance
        echo "$(keyid "$one") $one $role" >>"$B/chain"
    done
}

check_signatures() { # leaves the appliance's certificate in $B/leaf, its key id in $B/signer
    printf 'DSSEv1 28 application/vnd.in-toto+json %s ' "$(size "$B/payload")" >"$B/pae"
    cat "$B/payload" >>"$B/pae"
    known=0
    appliances=0
    while read -r number octal id; do
        printf '%b' "$octal" >"$B/sig.$number"
        one=$(awk -v id="$id" '$1 == id { print $2; exit }' "$B/chain")
        [ -n "$one" ] || continue
        openssl x509 -in "$one" -noout -pubkey >"$B/key.pem"
        p256 "$B/key.pem" || { refuse S signature 'the signing key is not ECDSA P-256'; return 1; }
        openssl dgst -sha256 -verify "$B/key.pem" -signature "$B/sig.$number" "$B/pae" >/dev/null 2>&1 || {
            refuse S signature 'the signature is not of these bytes: the receipt was changed'; return 1; }
        known=$((known + 1))
        leaf=$(awk -v id="$id" '$1 == id && $3 == "appliance" { print $2; exit }' "$B/chain")
        [ -n "$leaf" ] || continue
        appliances=$((appliances + 1))
        cp "$leaf" "$B/leaf"
        echo "$id" >"$B/signer"
    done <"$B/signatures"
    [ $known -gt 0 ] || { refuse S no-known-signature 'no signature is by a key whose certificate is in chain.pem'; return 1; }
    [ $appliances = 1 ] || { refuse S signer-role 'not exactly one signature is by an appliance'; return 1; }
}

p256() { openssl pkey -pubin -in "$1" -noout -text 2>/dev/null | grep -q 'prime256v1'; }

check_cms() {
    # Certificates that the CMS carries along are nobody's: the signer is the one of the envelope.
    openssl cms -verify -binary -inform DER -in "$B/in/receipt.p7s" -content "$B/in/receipt.json" \
        -nointern -certfile "$B/leaf" -noverify -out /dev/null >/dev/null 2>&1 || {
        refuse S signature-cms 'receipt.p7s does not verify over receipt.json by the same key'; return 1; }
    openssl cms -cmsout -print -noout -inform DER -in "$B/in/receipt.p7s" >"$B/cms.text" 2>/dev/null
    length=$(openssl asn1parse -inform DER -in "$B/in/receipt.p7s" 2>/dev/null |
        awk -F '[ =]+' 'NR == 1 { for (i = 1; i < NF; i++) { if ($i == "hl") a = $(i + 1); if ($i == "l") b = $(i + 1) } print a + b }')
    if [ "$length" != "$(size "$B/in/receipt.p7s")" ] || ! awk '
        /^      eContentType: / { type = $0 }
        /^      eContent: <ABSENT>/ { absent = 1 }
        /^    signerInfos:/ { inside = 1 }
        inside && /^ *digestAlgorithm:/ { getline; if (/sha256 \(2\.16\.840\.1\.101\.3\.4\.2\.1\)/) digest = 1 }
        inside && /^ *signedAttrs:/ { getline; if (!/<ABSENT>/) attributes = 1 }
        inside && /^ *signatureAlgorithm:/ { getline; if (/ecdsa-with-SHA256/) algorithm = 1 }
        inside && /^ *signature:/ { count++ }
        END { exit !(type ~ /1\.2\.840\.113549\.1\.7\.1\)/ && absent && digest && attributes && algorithm && count == 1) }
    ' "$B/cms.text"; then
        refuse S signature-cms 'receipt.p7s is not of the form that it must have'; return 1
    fi
    # openssl finds the signer's name by meaning (a capital is no difference); it must be the very bytes.
    signer_name=$(issuer_and_serial)
    if [ -z "$signer_name" ] || ! hexadecimal "$B/in/receipt.p7s" | grep -q "$signer_name"; then
        refuse S signature-cms 'receipt.p7s names its signer in other bytes than the certificate'; return 1
    fi
}

hexadecimal() { od -An -v -tx1 "$1" | tr -d ' \n'; }

issuer_and_serial() { # of the leaf, as they stand side by side in a CMS signer, in hex
    openssl x509 -in "$B/leaf" -outform DER -out "$B/leaf.der"
    openssl asn1parse -inform DER -in "$B/leaf.der" | awk -v hex="$(hexadecimal "$B/leaf.der")" '
        / *[0-9]+:d=2 / {
            at = $0; sub(/:.*/, "", at)
            head = $0; sub(/.*hl=/, "", head)
            size = $0; sub(/.* l= */, "", size)
            one = substr(hex, 2 * at + 1, 2 * (head + size))
            if (/INTEGER/ && serial == "") { serial = one; count = 0 }
            else if (serial != "" && ++count == 2) { print one serial; found = 1; exit }
        }
        END { exit !found }'
}

read_claims() { # names and lines of the claims into $B/claims
    json "$B/in/receipt.json" >"$B/flat"
    case $? in
    1) refuse S json 'the receipt is not strict JSON'; return 1 ;;
    2) refuse S not-canonical 'the receipt is not in canonical form (RFC 8785)'; return 1 ;;
    esac
    awk -F '\t' '
        function is_hex(t) { return length(t) == 64 && t !~ /[^0-9a-f]/ }
        function is_uid(t) { return t ~ /^[0-9][0-9.]*$/ && length(t) <= 64 }
        function is_id(t) { return length(t) == 36 && t !~ /[^0-9a-f-]/ && substr(t, 9, 1) == "-" && substr(t, 14, 2) == "-7" \
            && substr(t, 19, 1) == "-" && index("89ab", substr(t, 20, 1)) && substr(t, 24, 1) == "-" && gsub(/-/, "-", t) == 4 }
        function is_time(t,    y, m, d, last) {
            if (t !~ /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]\.[0-9][0-9][0-9]Z$/) return 0
            y = substr(t, 1, 4) + 0; m = substr(t, 6, 2) + 0; d = substr(t, 9, 2) + 0
            last = m == 2 ? 28 + (y % 4 == 0 && (y % 100 || y % 400 == 0)) : 30 + (m == 1 || m == 3 || m == 5 || m == 7 || m == 8 || m == 10 || m == 12)
            return y >= 1 && m >= 1 && m <= 12 && d >= 1 && d <= last && substr(t, 12, 2) < 24 && substr(t, 15, 2) < 60 && substr(t, 18, 2) < 60
        }
        function no(why) { if (!told) told = why }
        function get(path) { if (type[path] != "s") { no(path " is missing or no text"); return "" } return value[path] }
        { gsub(/\002/, "/", $1); key = $1; sub(/\/$/, "", key) }
        # A slash inside a key would look like a level: no key of ours has one.
        index(key, "/") && split(key, parts, "/") > 12 { next }
        { type[key] = $2; value[key] = $3 }
        END {
            if (get("_type") != "https://in-toto.io/Statement/v1") no("the statement type")
            if (get("predicateType") != "urn:lockgate:exchange-receipt:v1") no("the predicate type")
            if (type["predicate"] != "o" || type["predicate/id"] != "o" || type["predicate/agent"] != "o" || type["predicate/study"] != "o") no("a group is missing")
            id = get("predicate/id/receiptId"); if (!is_id(id)) no("receiptId")
            at = get("predicate/id/issuedAt"); if (!is_time(at)) no("issuedAt")
            stage = get("predicate/id/stage")
            group = stage ~ /^(accepted|deidentified|quarantined|reidentified)$/ ? 1 : stage ~ /^(forwarded|committed|rejected)$/ ? 2 : stage == "closed" ? 3 : 0
            if (!group) no("stage")
            edition = get("predicate/id/edition"); if (edition !~ /^(partner|site)$/) no("edition")
            direction = get("predicate/id/direction"); if (direction !~ /^(outbound|inbound)$/) no("direction")
            previous = get("predicate/id/previous"); if (previous != "" && !is_hex(previous)) no("previous")
            agent = get("predicate/agent/id"); site = get("predicate/agent/site")
            study = get("predicate/study/studyInstanceUID")
            print "head\t" id "\t" at "\t" stage "\t" edition "\t" direction "\t" previous "\t" group
            print "agent\t" agent; print "site\t" site; print "study\t" study
            if (type["subject"] != "a") no("subject is no list")
            for (n = 0; ("subject/" n) in type; n++) {
                b = "subject/" n
                uid = get(b "/name"); sha = get(b "/digest/sha256"); syntax = get(b "/annotations/transferSyntax")
                if (!is_uid(uid) || !is_hex(sha) || !is_uid(syntax)) no("a subject")
                if (get(b "/annotations/scope") != "dicom-dataset-after-file-meta") no("the scope of a digest")
                pixels = b "/annotations/pixelSha256"
                if ((pixels in type) && (type[pixels] != "s" || (value[pixels] != "" && !is_hex(value[pixels])))) no("a pixel digest")
                if (n && !(before "" < uid "")) no("the subjects are not sorted, or one stands twice")
                before = uid; names[uid] = 1
                print "subject\t" uid "\t" sha "\t" syntax "\t" value[pixels]
            }
            if (group == 1 && !n) no("it covers no instance")
            if (group == 2 && previous == "") no("it follows no other")
            t = "predicate/delivery/transcoded"
            if (type["predicate/delivery"] == "o" && (t in type)) {
                if (type[t "/instances"] != "a") no("renditions")
                for (r = 0; (t "/instances/" r) in type; r++) {
                    b = t "/instances/" r
                    uid = get(b "/sopInstanceUID"); sha = get(b "/sha256"); syntax = get(b "/transferSyntax")
                    if (!is_uid(uid) || !is_hex(sha) || !is_uid(syntax) || !(uid in names)) no("a rendition")
                    print "rendition\t" uid "\t" sha "\t" syntax
                }
                if (r && group != 2) no("renditions at this stage")
            }
            d = "predicate/id/deliveries"
            if (d in type) {
                if (type[d] != "a") no("deliveries")
                for (r = 0; (d "/" r) in type; r++) {
                    sha = get(d "/" r "/paeSha256")
                    if (!is_hex(sha) || (sha in given) || get(d "/" r "/stage") !~ /^(forwarded|committed|rejected)$/) no("a delivery")
                    given[sha] = 1
                    print "delivery\t" sha
                }
                if (r && (group != 3 || !(previous in given))) no("the deliveries do not fit what it follows")
            }
            if (told) { print told >"/dev/stderr"; exit 1 }
        }' "$B/flat" >"$B/claims" 2>"$B/why" || { refuse S statement "the receipt is not as it must be: $(cat "$B/why")"; return 1; }
    awk -F '\t' 'index($1, "/") { exit 1 }' "$B/flat" || { refuse S statement 'a name in the receipt has a slash'; return 1; }
    printf 'pae\t%s\n' "$(sha256 <"$B/pae")" >>"$B/claims"
    load_claims
}

load_claims() { # the claims that are one value each, as shell variables
    tr '\t' '\001' <"$B/claims" | awk -F '\001' '$1 == "head" { for (i = 2; i <= 6; i++) print $i }' >"$B/head"
    { read -r id; read -r issued_at; read -r stage; read -r edition; read -r direction; } <"$B/head"
    awk -F '\t' '$1 == "agent" { a = $2 } $1 == "site" { s = $2 } $1 == "study" { u = $2 } $1 == "pae" { p = $2 } $1 == "subject" { n++ }
        END { print a; print s; print u; print p; print n + 0 }' "$B/claims" >"$B/rest"
    { read -r appliance; read -r site; read -r study; read -r pae_sha256; read -r instances; } <"$B/rest"
    signer=$(cat "$B/signer")
}

seconds() { # RFC 3339: since 1970, whole seconds, by the civil calendar
    echo "$1" | awk -F '[-T:.Z]' '{
        y = $1 - ($2 <= 2); m = ($2 + 9) % 12
        days = 365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * m + 2) / 5) + $3 - 1 - 719468
        printf "%d\n", days * 86400 + $4 * 3600 + $5 * 60 + $6 }'
}

holds() { # ANCHORS UNTRUSTED OPTION...: whether the leaf's path leads to one of the anchors
    [ -s "$1" ] || return 1
    anchors=$1
    untrusted=$2
    shift 2
    openssl verify -no-CApath -no-CAstore -partial_chain -purpose any -CAfile "$anchors" \
        -untrusted "$untrusted" "$@" "$B/leaf" >/dev/null 2>&1
}

check_revoked() { # does the path also hold without what is revoked?
    : >"$B/not-revoked.pem"
    while read -r one_id one _; do
        grep -qxF "$one_id" "$W/revoked" || cat "$one" >>"$B/not-revoked.pem"
    done <"$B/chain"
    if grep -qxF "$signer" "$W/revoked" ||
        ! holds "$W/valid-anchors.pem" "$B/not-revoked.pem" -attime "$issued"; then
        refuse S key-revoked 'the key that signed, or one above it, is revoked in the trust folder'; return 1
    fi
}

check_signer() {
    [ -s "$W/anchors.pem" ] || { refuse S signer-unknown 'signature consistent, signer unknown: no trust anchors were given'; return 1; }
    issued=$(seconds "$issued_at")
    chain=$B/in/chain.pem
    if ! holds "$W/anchors.pem" "$chain" -attime "$issued"; then
        if holds "$W/anchors.pem" "$chain" -no_check_time; then
            refuse S certificate "the signer's certificate was not valid when it signed"
        else
            refuse S signer-unknown 'signature consistent, signer unknown: no CA in the trust folder certified this key'
        fi
        return 1
    fi
    if [ -s "$W/revoked" ]; then check_revoked || return 1; fi
    if ! extension "$B/leaf" keyUsage | grep -q 'Digital Signature' ||
        ! extension "$B/leaf" basicConstraints | grep -q 'CA:FALSE'; then
        refuse S signer-role "the signer's certificate is not one for signing exchange receipts"; return 1
    fi
    openssl x509 -in "$B/leaf" -noout -subject -nameopt utf8,esc_ctrl,sep_multiline,lname | sed 's/^ *//' >"$B/subject"
    { echo "organizationName=$site"; echo "commonName=$appliance"; } >"$B/expected"
    grep -E '^(organizationName|commonName)=' "$B/subject" | sort >"$B/names.cert"
    sort "$B/expected" | cmp -s - "$B/names.cert" || {
        refuse S signer-name "the receipt names another site or appliance than its signer's certificate"; return 1; }
    [ "$issued" -le $((now + 3600)) ] || { refuse S issued-in-future 'the receipt is dated in the future'; return 1; }
    moment=$now
    [ "$issued" -le "$now" ] || moment=$issued
    holds "$W/anchors.pem" "$chain" -attime "$moment" || {
        refuse S certificate-expired "the signer's certificate, or one above it, has expired"; return 1; }
}

# ---- Layer L.

log_layer() {
    grep -q ' 1 [^ ]*$' "$W/vkeys" && [ -e "$B/in/$PROOF" ] || return 0
    read_proof 2>/dev/null || { refuse L log-proof 'receipt.tlog-proof is no proof of a log'; return 1; }
    if ! json "$B/leaf.json" >"$B/leaf.flat" || ! check_leaf; then
        refuse L log-leaf 'the leaf is not canonical JSON, or of another receipt, edition or signer'; return 1
    fi
    walk_up || { refuse L log-proof "the log's proof does not lead to the root that it names"; return 1; }
    check_note || return 1
    echo ok >"$B/L"
}

read_proof() { # $B/leaf.json, index, path.N, note (its text), origin, size, root, notes (`name text`)
    proof=$B/in/$PROOF
    [ "$(tr -d '\000\r' <"$proof" | wc -c)" = "$(wc -c <"$proof")" ] || return 1
    iconv -f UTF-8 -t UTF-8 <"$proof" >/dev/null 2>&1 || return 1
    [ "$(tail -c 1 "$proof" | od -An -tx1 | tr -d ' ')" = 0a ] || return 1
    awk -v out="$B/" "$STRICT"'
        function hash(text) { if (length(text) != 44 || text !~ /[^=]=$/ || !strict(text)) exit 1; return octal(text) }
        { line[NR] = $0 }
        END {
            if (line[1] != "c2sp.org/tlog-proof@v1") exit 1
            if (line[2] !~ /^extra ./ || line[3] !~ /^index (0|[1-9][0-9]*)$/ || length(line[3]) > 24) exit 1
            if (!strict(substr(line[2], 7))) exit 1
            printf "%s", substr(line[2], 7) >(out "leaf.text")
            print substr(line[3], 7) >(out "index")
            for (n = 4; n <= NR && line[n] != ""; n++) print hash(line[n]) >(out "path")
            if (n > NR || n - 4 > 63) exit 1
            start = n + 1
            for (end = NR; end > start && line[end] != ""; end--) ;
            if (end <= start + 2 || end == NR || NR - end > 64) exit 1
            for (n = start; n < end; n++) {
                if (line[n] ~ /[\001-\011\013-\037]/) exit 1
                print line[n] >(out "note")
            }
            if (line[start] == "" || line[start] ~ /[ \t]/) exit 1
            if (line[start + 1] !~ /^(0|[1-9][0-9]*)$/ || length(line[start + 1]) > 18) exit 1
            print line[start] >(out "origin"); print line[start + 1] >(out "size"); print hash(line[start + 2]) >(out "root.octal")
            for (n = end + 1; n <= NR; n++) {
                if (split(line[n], part, " ") != 3 || part[1] != "\342\200\224" || line[n] != part[1] " " part[2] " " part[3]) exit 1
                if (index(part[2], "+")) exit 1
                if (!strict(part[3]) || length(part[3]) < 8) exit 1
                first = octal(substr(part[3], 1, 8))
                print part[2], substr(first, 1, 20), part[3] >(out "notes")
            }
        }' "$proof" || return 1
    openssl base64 -d -A -in "$B/leaf.text" -out "$B/leaf.json" && [ "$(size "$B/leaf.json")" -le 65535 ] || return 1
    touch "$B/path"
    read -r index <"$B/index"; read -r tree <"$B/size"; read -r origin <"$B/origin"; read -r root <"$B/root.octal"
    printf '%b' "$root" >"$B/root"
    [ "$index" -lt "$tree" ]
}

check_leaf() {
    awk -v want="receipt.issued i$index $id $edition $stage $pae_sha256 $signer" -F '\t' '
        { gsub(/\002/, "/", $1); found[$1] = ($2 == "s" ? "" : $2) $3 }
        END {
            o = "obj/"
            said = found["kind/"] " " found["seq/"] " " found[o "receipt/"] " " found[o "edition/"] " " found[o "stage/"]
            exit said " " found[o "paeSha256/"] " " found[o "signer/"] != want
        }' "$B/leaf.flat"
}

walk_up() { # RFC 9162, 2.1.3.2
    first=$index
    last=$((tree - 1))
    { printf '\000'; cat "$B/leaf.json"; } | openssl dgst -sha256 -binary >"$B/current"
    while read -r sibling; do
        [ "$last" -gt 0 ] || return 1
        if [ $((first & 1)) = 1 ] || [ "$first" = "$last" ]; then
            { printf '\001%b' "$sibling"; cat "$B/current"; } | openssl dgst -sha256 -binary >"$B/next"
            while [ "$first" -gt 0 ] && [ $((first & 1)) = 0 ]; do
                first=$((first >> 1)); last=$((last >> 1))
            done
        else
            { printf '\001'; cat "$B/current"; printf '%b' "$sibling"; } | openssl dgst -sha256 -binary >"$B/next"
        fi
        mv "$B/next" "$B/current"
        first=$((first >> 1)); last=$((last >> 1))
    done <"$B/path"
    [ "$last" = 0 ] && cmp -s "$B/current" "$B/root"
}

check_note() {
    signed=
    while read -r name octal text; do
        # Vkeys know the four bytes in hex.
        hexed=$(printf '%b' "$octal" | od -An -tx1 | tr -d ' \n')
        key=$(awk -v name="$name" -v id="$hexed" '$1 == name && $2 == id { print $3, $4; exit }' "$W/vkeys")
        case $key in
        '1 '*)
            printf %s "$text" | openssl base64 -d -A >"$B/line"
            ed25519 "${key#1 }" || {
                refuse L log-signature "a known key's signature is not of this checkpoint: it was changed"; return 1; }
            [ "$name" = "$origin" ] && signed=yes
            ;;
        '6 '*) : >"$B/cosigned" ;;
        esac
    done <"$B/notes"
    [ "$signed" ] || { refuse L log-signature 'no log key in the trust folder signed the checkpoint'; return 1; }
}

ed25519() { # KEY-FILE: type byte and key; over $B/note, signature in $B/line behind the key id
    { printf '\060\052\060\005\006\003\053\145\160\003\041\000'; tail -c 32 "$1"; } >"$B/key.der"
    tail -c +5 "$B/line" >"$B/line.sig"
    openssl pkeyutl -verify -pubin -keyform DER -inkey "$B/key.der" -rawin -in "$B/note" -sigfile "$B/line.sig" >/dev/null 2>&1
}

# ---- Layer D: lines `digest syntax uid name`, or `- problem - name`, one a DICOM file, into $W/scan.

scan_folder() {
    [ -z "$files" ] || [ -e "$W/scan" ] || {
        [ -d "$files" ] || { echo "cannot list $files" >&2; exit 2; }
        find "$files" ! -type d -name '*
*' | grep -q . && { echo "a file name below $files has a line break in it" >&2; exit 2; }
        find "$files" ! -type d | sort | while IFS= read -r file; do
            scan_file "$file" "${file#"$files"/}"
        done >"$W/scan"
    }
}

scan_file() { # PATH NAME
    if [ -h "$1" ] || [ ! -f "$1" ]; then echo "- link - $2"; return; fi
    if [ ! -r "$1" ]; then echo "- unreadable - $2"; return; fi
    head=$(od -An -v -tx1 -j128 -N16 "$1" 2>/dev/null | tr -d ' \n')
    case $head in
    4449434d02000000554c0400????????) ;;
    4449434d*) echo "- unreadable - $2"; return ;;
    *) return ;;
    esac
    meta=$(od -An -v -tu1 -j140 -N4 "$1" | awk '{ print $1 + 256 * $2 + 65536 * $3 + 16777216 * $4 }')
    if [ "$meta" -gt 1048576 ] || [ "$(size "$1")" -lt $((144 + meta)) ]; then echo "- unreadable - $2"; return; fi
    found=$(od -An -v -tu1 -j144 -N"$meta" "$1" | awk '
        { for (i = 1; i <= NF; i++) byte[count++] = $i }
        function text(at, size,    i, out) {
            out = ""
            for (i = at; i < at + size; i++) out = out sprintf("%c", byte[i] ? byte[i] : 32)
            sub(/ +$/, "", out)
            return out == "" || out ~ /[^0-9.]/ ? (out == "" ? "-" : "?") : out
        }
        END {
            syntax = uid = "-"
            for (at = 0; at < count; at = value + length_) {
                if (at + 8 > count) exit 1
                vr = sprintf("%c%c", byte[at + 4], byte[at + 5])
                length_ = byte[at + 6] + 256 * byte[at + 7]; value = at + 8
                if (vr ~ /^(OB|OD|OF|OL|OV|OW|SQ|SV|UC|UN|UR|UT|UV)$/) {
                    if (at + 12 > count) exit 1
                    length_ = byte[at + 8] + 256 * (byte[at + 9] + 256 * (byte[at + 10] + 256 * byte[at + 11])); value = at + 12
                }
                if (value + length_ > count) exit 1
                if (vr == "UI" && byte[at] == 2 && !byte[at + 1] && byte[at + 2] == 16 && !byte[at + 3]) syntax = text(value, length_)
                if (vr == "UI" && byte[at] == 2 && !byte[at + 1] && byte[at + 2] == 3 && !byte[at + 3]) uid = text(value, length_)
            }
            print syntax, uid
        }') || { echo "- unreadable - $2"; return; }
    [ -n "$found" ] || found='- -'
    echo "$(tail -c +$((145 + meta)) "$1" | sha256) $found $2"
}

digest_layer() {
    [ -n "$files" ] && [ -e "$B/consistent" ] || return 0
    awk -v extra="$extra" '
        FNR == NR {
            split($0, part, "\t")
            if (part[1] == "subject") { order[++count] = part[2]; subjects[part[2]] = 1 }
            if (part[1] == "subject" || part[1] == "rendition") { uid[part[3]] = part[2]; syntax[part[3]] = part[4] }
            next
        }
        function add(rank, code, what) {
            if (extra && (code == "extra" || code == "duplicate")) return
            problems++
            if (!best || rank < best) { best = rank; first = code "\n" what }
        }
        { name = $0; sub(/^[^ ]* [^ ]* [^ ]* /, "", name) }
        $1 == "-" && $2 == "link" { add(10, "extra", name ": a link"); next }
        $1 == "-" { add(7, "file-unreadable", name ": it cannot be read as a DICOM file"); next }
        ($1 in uid) {
            one = uid[$1]
            if ($2 != syntax[$1] || ($3 != "-" && $3 != one)) { answered[one] = 1; add(5, "meta-differs", name ": the file meta does not fit instance " one) }
            else if (one in seen) add(9, "duplicate", name " is a second copy of instance " one)
            else seen[one] = 1
            next
        }
        ($3 in subjects) { answered[$3] = 1; add(2, "file-changed", name ": the content of instance " $3 " was changed"); next }
        { add(10, "extra", name " is not covered by the receipt") }
        END {
            if (!count) { print "no-subjects\nthe receipt covers no instance, so no file can match it"; exit 1 }
            for (i = 1; i <= count; i++) if (!(order[i] in seen) && !(order[i] in answered)) add(8, "missing", "instance " order[i] " is missing")
            if (problems) { print first; exit 1 }
        }' "$B/claims" "$W/scan" >"$B/files" && { echo ok >"$B/D"; return; }
    refuse D "$(sed -n 1p "$B/files")" "$(sed -n 2p "$B/files")"
}

# ---- Layer C: the rules of `lockgate verify`, among those whose signature holds.

chain_layer() { # lists the linked ones in $W/linked, or the problem in $W/chain-error
    for B in "$W"/bundle.*; do
        [ "$(state S)" = ok ] && awk -v bundle="$B" -F '\t' '{ print bundle "\t" $0 }' "$B/claims"
    done >"$W/all"
    awk -F '\t' '
        function no(code, what) { print code "\n" what; failed = 1; exit 1 }
        !($1 in number) { number[$1] = ++count; name[count] = $1 }
        { n = number[$1] }
        $2 == "head" { id[n] = $3; at[n] = $4; stage[n] = $5; edition[n] = $6; previous[n] = $8; group[n] = $9 }
        $2 == "site" { site[n] = $3 }
        $2 == "study" { study[n] = $3 }
        $2 == "subject" { subjects[n] = subjects[n] $3 " " $4 " " $5 " " $6 "\n"; covers[n, $3] = 1; list[n, ++many[n]] = $3 }
        $2 == "delivery" { delivery[n, ++delivered[n]] = $3; lists[n, $3] = 1 }
        $2 == "pae" { pae[n] = $3 }
        function check(b, a,    i) {
            if (group[a] == 1 || !((group[b] == 1 && (group[a] == 2 || !delivered[a])) \
                || (group[b] == 2 && group[a] == 3 && ((a, pae[b]) in lists)))) no("chain-order", id[a] " (" stage[a] ") cannot follow " id[b] " (" stage[b] ")")
            if (edition[b] != edition[a]) no("chain-edition", id[a] " follows a receipt of the other edition")
            if (site[b] != site[a] || study[b] != study[a]) no("chain-study", id[a] " follows a receipt of another study or site")
            if (group[b] == 1) for (i = 1; i <= many[a]; i++) if (!((b, list[a, i]) in covers)) no("chain-subjects", id[a] " covers an instance that its R1 did not")
            linked[a] = linked[b] = 1
        }
        END {
            if (failed) exit 1
            for (n = 1; n <= count; n++) {
                if (pae[n] in by) no("chain-replay", "receipt " id[n] " was given twice")
                by[pae[n]] = n
                if ((id[n], edition[n]) in ids) no("chain-fork", "two different receipts have the id " id[n])
                ids[id[n], edition[n]] = 1
            }
            for (n = 1; n <= count; n++) {
                told = stage[n] "\n" at[n] "\n" study[n] "\n" subjects[n]
                if ((id[n] in says) && says[id[n]] != told) no("chain-edition", "the editions of " id[n] " contradict each other")
                says[id[n]] = told
            }
            for (n = 1; n <= count; n++) {
                if (previous[n] in by) check(by[previous[n]], n)
                for (i = 1; i <= delivered[n]; i++) if (delivery[n, i] in by) check(by[delivery[n, i]], n)
            }
            for (n = 1; n <= count; n++) {
                if (group[n] != 3) continue
                root = ""; roots = 0
                for (i = 1; i <= delivered[n]; i++) if (delivery[n, i] in by) {
                    one = previous[by[delivery[n, i]]]
                    if (!roots || one != root) { roots++; root = one }
                }
                if (roots > 1) no("chain-fork", id[n] " closes deliveries of several exchanges")
                if (!roots && previous[n] != "") { roots = 1; root = previous[n] }
                if (!roots) continue
                if ((root, edition[n]) in closed) no("chain-fork", id[n] " closes what was closed before")
                closed[root, edition[n]] = n
            }
            for (n = 1; n <= count; n++) if (group[n] == 2 && ((previous[n], edition[n]) in closed) \
                && !((closed[previous[n], edition[n]], pae[n]) in lists)) no("chain-link", id[n] " is not among the deliveries that " id[closed[previous[n], edition[n]]] " closed")
            for (n = 1; n <= count; n++) if (n in linked) print name[n]
        }' "$W/all" >"$W/chain" && {
        while read -r B; do echo ok >"$B/C"; done <"$W/chain"
        return
    }
    for B in "$W"/bundle.*; do
        [ "$(state S)" != ok ] || refuse C "$(sed -n 1p "$W/chain")" "$(sed -n 2p "$W/chain")"
    done
}

# ---- All together.

check_level() {
    [ "$(state S)" = ok ] || return 0
    reached=0
    [ "$(state L)" != ok ] || reached=1
    [ "$level" -gt $reached ] && [ ! -s "$B/error" ] || return 0
    layer=L
    [ $reached = 0 ] || layer=W
    refuse $layer level "level L$level is asked for, L$reached is reached"
}

report() { # PATH
    verdict=VALID
    [ ! -s "$B/error" ] && [ "$(state S)" = ok ] || verdict='NOT VALID'
    {
        printf '%s  %s\n' "$verdict" "$1"
        if [ -e "$B/consistent" ]; then
            load_claims
            vouched=
            [ "$(state S)" = ok ] || vouched=' (as the receipt says; not vouched for)'
            printf '  signed     %s (%s edition), %s%s\n' "$stage" "$edition" "$direction" "$vouched"
            printf '  by         appliance %s of %s\n' "$appliance" "$site"
            printf '  at         %s by its own clock\n' "$issued_at"
            printf '  covers     %s instances of study %s\n' "$instances" "$study"
            printf '  receipt    %s\n' "$id"
        fi
        printf '  layers     signature %s, digests %s, chain %s, log %s, witness %s, time not-checked\n' \
            "$(state S)" "$(state D)" "$(state C)" "$(state L)" "$(state W)"
        [ ! -e "$B/cosigned" ] || printf '  cosigned   not-checked: openssl 3.0 has no ML-DSA\n'
        [ ! -s "$B/error" ] || printf '  problem    %s [%s]\n' "$(sed -n 2p "$B/error")" "$(sed -n 1p "$B/error")"
    } | tr -c '\n -~\200-\377' '?'
}

read_trust
turn=0
for path in "$@"; do
    turn=$((turn + 1))
    B=$W/bundle.$(printf %05d $turn)
    mkdir "$B"
    if [ -e "$W/trust-error" ]; then cp "$W/trust-error" "$B/error"; continue; fi
    signature_layer "$path"
    [ -e "$B/consistent" ] || continue
    log_layer
    check_level
    scan_folder
    digest_layer
done
[ $# = 1 ] || [ -e "$W/trust-error" ] || chain_layer
status=0
turn=0
for path in "$@"; do
    turn=$((turn + 1))
    B=$W/bundle.$(printf %05d $turn)
    report "$path"
    [ "$verdict" = VALID ] || [ $status = 2 ] || status=1
    case $(sed -n 1p "$B/error" 2>/dev/null) in bundle-unreadable | trust-unreadable) status=2 ;; esac
done
exit $status
