// Reads a log over HTTP with the Go project's own client of transparency logs, golang.org/x/mod/sumdb: what a standard client
// makes of it. usage: main URL VKEY
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

type log struct{ url string }

func (l log) get(path string) ([]byte, error) {
	answer, err := http.Get(l.url + "/" + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

// tlog-tiles leaves out the tile height, which it fixes at 8.
func path(tile tlog.Tile) string { return strings.Replace(tile.Path(), "tile/8/", "tile/", 1) }

func (l log) Height() int                               { return 8 }
func (l log) SaveTiles(tiles []tlog.Tile, data [][]byte) {}
func (l log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, tile := range tiles {
		bytes, err := l.get(path(tile))
		if err != nil {
			return nil, err
		}
		out[i] = bytes
	}
	return out, nil
}

func (l log) entries(tree tlog.Tree, bundle int64) [][]byte {
	tile := tlog.Tile{H: 8, L: -1, N: bundle, W: 256}
	if left := tree.N - bundle*256; left < 256 {
		tile.W = int(left)
	}
	bytes, err := l.get(strings.Replace(path(tile), "tile/data/", "tile/entries/", 1))
	fail(err)
	var out [][]byte
	for len(bytes) > 0 {
		length := int(binary.BigEndian.Uint16(bytes))
		out = append(out, bytes[2:2+length])
		bytes = bytes[2+length:]
	}
	return out
}

func main() {
	l := log{os.Args[1]}
	key, err := note.NewVerifier(os.Args[2])
	fail(err)
	signed, err := l.get("checkpoint")
	fail(err)
	opened, err := note.Open(signed, note.VerifierList(key))
	fail(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	fail(err)
	root, err := tlog.ParseHash(lines[2])
	fail(err)
	tree := tlog.Tree{N: size, Hash: root}
	// Every tile that this reader gives is checked against the tree's root.
	hashes := tlog.TileHashReader(tree, l)
	checked := int64(0)
	for bundle := int64(0); bundle*256 < size; bundle++ {
		for i, entry := range l.entries(tree, bundle) {
			index := bundle*256 + int64(i)
			stored, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			fail(err)
			leaf := tlog.RecordHash(entry)
			if !bytes.Equal(stored[0][:], leaf[:]) {
				fail(fmt.Errorf("entry %d is not the one in the tree", index))
			}
			checked++
		}
	}
	proof, err := tlog.ProveRecord(size, 0, hashes)
	fail(err)
	first, err := hashes.ReadHashes([]int64{0})
	fail(err)
	fail(tlog.CheckRecord(proof, size, root, 0, first[0]))
	fmt.Printf("%s %d %s: %d entries, %d signatures of known keys, %d of others\n",
		lines[0], size, root, checked, len(opened.Sigs), len(opened.UnverifiedSigs))
}
