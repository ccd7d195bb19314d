package bodytext

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// What an opened body may grow to without a person's choice. Text that repeats itself reaches a factor of a hundred; zlib
// alone allows a thousand, zstd a hundred thousand.
const (
	MaxOpened  = 4 << 20
	maxRatio   = 200
	freeOfCare = 1 << 20 // bytes below which the factor does not matter
)

// Limit returns up to how many bytes a compressed body of a size is opened without being asked to.
func Limit(size int) int { return min(MaxOpened, max(freeOfCare, size*maxRatio)) }

// maxWindow is how much memory a decompressor may take for what a body says of itself.
const maxWindow = 8 << 20

// formats are the compressions that are told by how bytes begin.
var formats = []struct {
	name  string
	is    func(body []byte) bool
	opens func(r io.Reader) (io.Reader, error)
}{
	{"gzip", begins("\x1f\x8b\x08"), func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"zstd", begins("\x28\xb5\x2f\xfd"), func(r io.Reader) (io.Reader, error) {
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}},
	{"lz4", begins("\x04\x22\x4d\x18"), func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
	{"snappy", begins("\xff\x06\x00\x00sNaPpY"), func(r io.Reader) (io.Reader, error) { return snappy.NewReader(r), nil }},
	{"bzip2", begins("BZh"), func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	// Two bytes say little: whether it is zlib, its checksum of the header and the first block decide.
	{"zlib", func(b []byte) bool {
		return len(b) > 2 && b[0]&0x0f == 8 && b[0]>>4 <= 7 && (int(b[0])<<8|int(b[1]))%31 == 0
	},
		func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }},
}

func begins(magic string) func([]byte) bool {
	return func(body []byte) bool { return bytes.HasPrefix(body, []byte(magic)) }
}

// Opened is what is inside bytes that an application has compressed.
type Opened struct {
	Format string // "" when the bytes are not compressed in a way that is known
	Body   []byte // at most as much as was asked for
	More   bool   // there is more inside
	Broken bool   // what follows Body cannot be read
}

// Open looks inside a body up to a number of bytes. It uses memory for so many and some more, whatever the body says.
func Open(body []byte, limit int) Opened {
	for _, f := range formats {
		if !f.is(body) {
			continue
		}
		r, err := f.opens(bytes.NewReader(body))
		if err != nil {
			continue
		}
		var b bytes.Buffer
		_, err = io.Copy(&b, io.LimitReader(r, int64(limit)+1))
		if c, ok := r.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
		if err != nil && b.Len() == 0 {
			continue
		}
		o := Opened{Format: f.name, Body: b.Bytes(), More: b.Len() > limit, Broken: err != nil && b.Len() <= limit}
		o.Body = o.Body[:min(len(o.Body), limit)]
		return o
	}
	return Opened{}
}
