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

const compressionFlags = remoting.SysFlagCompressed | remoting.SysFlagCompressType

// decodeBody undoes the compression that a message's sysFlag names, and returns the sysFlag that goes with the body it
// returns. The body never shares memory with raw, which is a piece of a whole answer. A body that cannot be inflated, or
// not within the limit, is returned as it is, with its flags.
func decodeBody(raw []byte, sysFlag int32, limit int) ([]byte, dlq.BodyState, int32) {
	if sysFlag&remoting.SysFlagCompressed == 0 {
		return bytes.Clone(raw), dlq.BodyPlain, sysFlag
	}
	limit = min(limit, max(freeOfCare, len(raw)*maxRatio))
	body, err := inflate(raw, sysFlag, limit)
	switch {
	case err == nil:
		return body, dlq.BodyInflated, sysFlag &^ compressionFlags
	case errors.Is(err, errOverLimit):
		return bytes.Clone(raw), dlq.BodyOverLimit, sysFlag
	default:
		return bytes.Clone(raw), dlq.BodyUndecoded, sysFlag
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

// looksCompressed says whether a body begins as its sysFlag's compression does.
func looksCompressed(body []byte, sysFlag int32) bool {
	switch sysFlag & remoting.SysFlagCompressType {
	case remoting.SysFlagLZ4:
		return bytes.HasPrefix(body, []byte{0x04, 0x22, 0x4d, 0x18})
	case remoting.SysFlagZSTD:
		return bytes.HasPrefix(body, []byte{0x28, 0xb5, 0x2f, 0xfd})
	default:
		return len(body) > 1 && body[0]&0x0f == 8 && (int(body[0])<<8|int(body[1]))%31 == 0
	}
}
