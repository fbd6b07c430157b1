// Layer L by Go's own note and tlog (golang.org/x/mod/sumdb): one JSON request a line in, one answer a line out.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type request struct {
	Proof          *[]byte
	Payload, Chain []byte
	Vkeys          []string
}

var errProof = errors.New("no proof of a log")

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 256<<20)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		fmt.Println(answer(asked))
	}
}

func answer(asked request) string {
	var known []note.Verifier
	for _, vkey := range asked.Vkeys {
		// Go knows Ed25519 only: other keys are not checked.
		if verifier, err := note.NewVerifier(vkey); err == nil {
			known = append(known, verifier)
		}
	}
	if len(known) == 0 || asked.Proof == nil {
		return "not-checked"
	}
	if err := check(asked, note.VerifierList(known...)); err != nil {
		return "failed " + err.Error()
	}
	return "ok"
}

func check(asked request, known note.Verifiers) error {
	head, checkpoint, found := strings.Cut(string(*asked.Proof), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errProof
	}
	leaf, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil || !strings.HasPrefix(lines[1], "extra ") || !strings.HasPrefix(lines[2], "index ") {
		return errProof
	}
	index, err := number(strings.TrimPrefix(lines[2], "index "))
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	opened, err := note.Open([]byte(checkpoint), known)
	if err != nil {
		return err
	}
	text := strings.Split(opened.Text, "\n")
	if len(text) < 4 {
		return errProof
	}
	size, err := number(text[1])
	if err != nil {
		return err
	}
	root, err := tlog.ParseHash(text[2])
	if err != nil {
		return err
	}
	signed := false
	for _, signature := range opened.Sigs {
		signed = signed || signature.Name == text[0]
	}
	if !signed {
		return errors.New("not by the log's own key")
	}
	if err := tlog.CheckRecord(path, size, root, index, tlog.RecordHash(leaf)); err != nil {
		return err
	}
	return checkLeaf(leaf, index, asked)
}

func number(text string) (int64, error) {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(value, 10) != text || value < 0 {
		return 0, errProof
	}
	return value, nil
}

func checkLeaf(leaf []byte, index int64, asked request) error {
	var fields map[string]interface{}
	if err := json.Unmarshal(leaf, &fields); err != nil {
		return err
	}
	// Maps are written sorted and compact: for texts and small integers that is the canonical form.
	var again bytes.Buffer
	encoder := json.NewEncoder(&again)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(fields); err != nil || !bytes.Equal(bytes.TrimSuffix(again.Bytes(), []byte("\n")), leaf) {
		return errors.New("the leaf is not canonical")
	}
	var statement struct {
		Predicate struct {
			ID struct{ ReceiptID, Edition, Stage string }
		}
	}
	if err := json.Unmarshal(asked.Payload, &statement); err != nil {
		return err
	}
	block, _ := pem.Decode(asked.Chain)
	if block == nil {
		return errors.New("no certificate")
	}
	spki, err := publicKey(block.Bytes)
	if err != nil {
		return err
	}
	kind := "application/vnd.in-toto+json"
	pae := sha256.Sum256([]byte(fmt.Sprintf("DSSEv1 %d %s %d %s", len(kind), kind, len(asked.Payload), asked.Payload)))
	signer := sha256.Sum256(spki)
	id := statement.Predicate.ID
	expected := map[string]string{
		"receipt": id.ReceiptID, "edition": id.Edition, "stage": id.Stage,
		"paeSha256": hex.EncodeToString(pae[:]), "signer": hex.EncodeToString(signer[:]),
	}
	said, _ := fields["obj"].(map[string]interface{})
	for name, value := range expected {
		if said[name] != value {
			return errors.New("the leaf is of another receipt: " + name)
		}
	}
	if fields["kind"] != "receipt.issued" || fields["seq"] != float64(index) {
		return errors.New("the leaf is none of an issued receipt")
	}
	return nil
}

// The SubjectPublicKeyInfo of a certificate. Older crypto/x509 cannot read object identifiers under 2.25.
func publicKey(der []byte) ([]byte, error) {
	var certificate, body asn1.RawValue
	if _, err := asn1.Unmarshal(der, &certificate); err != nil {
		return nil, err
	}
	if _, err := asn1.Unmarshal(certificate.Bytes, &body); err != nil {
		return nil, err
	}
	rest := body.Bytes
	// RFC 5280, 4.1: version, serial number, signature, issuer, validity, subject, subjectPublicKeyInfo.
	var field asn1.RawValue
	for count := 0; count < 7; count++ {
		var err error
		if rest, err = asn1.Unmarshal(rest, &field); err != nil {
			return nil, err
		}
	}
	return field.FullBytes, nil
}
