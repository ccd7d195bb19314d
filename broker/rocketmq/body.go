package rocketmq

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// What an inflated body may grow to beside Options.BodyLimit. Text that repeats itself reaches a factor of a hundred;
// zlib alone allows a thousand, ZSTD a hundred thousand.
const (
	maxRatio   = 200
	freeOfCare = 1 << 20 // bytes below which the factor does not matter
)

// decodeBody undoes the compression that a message's sysFlag names. The body never shares memory with raw, which is a piece
// of a whole answer. A body that cannot be inflated, or not within the limit, is returned as it is.
func decodeBody(raw []byte, sysFlag int32, limit int) ([]byte, dlq.BodyState) {
	if sysFlag&remoting.SysFlagCompressed == 0 {
		return bytes.Clone(raw), dlq.BodyPlain
	}
	limit = min(limit, max(freeOfCare, len(raw)*maxRatio))
	body, err := inflate(raw, sysFlag, limit)
	switch {
	case err == nil:
		return body, dlq.BodyInflated
	case errors.Is(err, errOverLimit):
		return bytes.Clone(raw), dlq.BodyOverLimit
	default:
		return bytes.Clone(raw), dlq.BodyUndecoded
	}
}

var errOverLimit = errors.New("over the limit")

// inflate reads zlib, LZ4 frames and ZSTD (CompressorFactory.java of 5.x; older clients know zlib alone and set no type).
func inflate(raw []byte, sysFlag int32, limit int) ([]byte, error) {
	if len(raw) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	var r io.Reader
	switch kind := sysFlag & remoting.SysFlagCompressType; kind {
	case 0, remoting.SysFlagZlib:
		z, err := zlib.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		r = z
	case remoting.SysFlagLZ4:
		r = lz4.NewReader(bytes.NewReader(raw))
	case remoting.SysFlagZSTD:
		z, err := zstd.NewReader(bytes.NewReader(raw), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(32<<20))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	default:
		return nil, fmt.Errorf("compression type %d is unknown", kind>>8)
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(body) > limit {
		return nil, errOverLimit
	}
	if err != nil {
		return nil, err
	}
	return body, nil
}

// deflate compresses a body as a sysFlag says: with zlib where it names no other way, which every client reads.
func deflate(body []byte, sysFlag int32) ([]byte, error) {
	var out bytes.Buffer
	var w io.WriteCloser
	switch sysFlag & remoting.SysFlagCompressType {
	case remoting.SysFlagLZ4:
		w = lz4.NewWriter(&out)
	case remoting.SysFlagZSTD:
		z, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
		if err != nil {
			return nil, err
		}
		w = z
	default:
		w = zlib.NewWriter(&out)
	}
	if _, err := w.Write(body); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
