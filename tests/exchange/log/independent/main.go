// Checks an exported log with golang.org/x/mod/sumdb/note and tlog, which know nothing of Lockgate:
//
//	main FOLDER VKEY OLD-SIZE OLD-ROOT-BASE64 < "index\npath hashes in base64, one a line"
//
// The checkpoint's signature, the root from the tiles, each leaf's hash, the inclusion proof on standard input,
// and that the tree of OLD-SIZE leaves with OLD-ROOT is the beginning. Prints "ok SIZE".
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		fmt.Println("FAILED", err)
		os.Exit(1)
	}
}

// folder reads tiles by the paths of C2SP tlog-tiles.
type folder struct{ root string }

func number(n int64) string {
	digits := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		digits = fmt.Sprintf("x%03d/%s", n%1000, digits)
	}
	return digits
}

func (f folder) path(kind string, n int64, width int) string {
	name := filepath.Join(f.root, "tile", kind, number(n))
	if width < 256 {
		name += fmt.Sprintf(".p/%d", width)
	}
	return name
}

func (f folder) Height() int { return 8 }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(f.path(strconv.Itoa(tile.L), tile.N, tile.W))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) leaves(size int64) [][]byte {
	var found [][]byte
	for n := int64(0); n*256 < size; n++ {
		width := 256
		if size-n*256 < 256 {
			width = int(size - n*256)
		}
		data, err := os.ReadFile(f.path("entries", n, width))
		must(err)
		for len(data) > 0 {
			length := int(data[0])<<8 | int(data[1])
			found = append(found, data[2:2+length])
			data = data[2+length:]
		}
	}
	return found
}

func hash(text string) tlog.Hash {
	data, err := base64.StdEncoding.DecodeString(text)
	must(err)
	var found tlog.Hash
	copy(found[:], data)
	return found
}

func main() {
	f := folder{os.Args[1]}
	signed, err := os.ReadFile(filepath.Join(f.root, "checkpoint"))
	must(err)
	verifier, err := note.NewVerifier(os.Args[2])
	must(err)
	opened, err := note.Open(signed, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		must(fmt.Errorf("origin %q is not the key's name", lines[0]))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	tree := tlog.Tree{N: size, Hash: hash(lines[2])}

	// Every hash that is read is checked against the root by the reader itself.
	reader := tlog.TileHashReader(tree, f)
	root, err := tlog.TreeHash(size, reader)
	must(err)
	if root != tree.Hash {
		must(fmt.Errorf("the tiles have another root"))
	}
	leaves := f.leaves(size)
	if int64(len(leaves)) != size {
		must(fmt.Errorf("%d leaves", len(leaves)))
	}
	for start := 0; start < len(leaves); start += 256 {
		var indexes []int64
		for index := start; index < len(leaves) && index < start+256; index++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, int64(index)))
		}
		hashes, err := reader.ReadHashes(indexes)
		must(err)
		for at, found := range hashes {
			if found != tlog.RecordHash(leaves[start+at]) {
				must(fmt.Errorf("leaf %d", start+at))
			}
		}
	}

	input := bufio.NewScanner(os.Stdin)
	input.Scan()
	index, err := strconv.ParseInt(input.Text(), 10, 64)
	must(err)
	var proof tlog.RecordProof
	for input.Scan() {
		proof = append(proof, hash(input.Text()))
	}
	must(tlog.CheckRecord(proof, size, tree.Hash, index, tlog.RecordHash(leaves[index])))

	old, err := strconv.ParseInt(os.Args[3], 10, 64)
	must(err)
	consistency, err := tlog.ProveTree(size, old, reader)
	must(err)
	must(tlog.CheckTree(consistency, size, tree.Hash, old, hash(os.Args[4])))
	fmt.Println("ok", size)
}
