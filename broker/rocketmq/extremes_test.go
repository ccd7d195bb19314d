package rocketmq

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// frame writes a stored message with every number as it is given (apache/rocketmq MessageDecoder).
type frame struct {
	queue, flag, sysFlag, reconsumed, bornPort, storePort uint32
	offset, physical, born, stored, prepared              int64
	props                                                 string
}

func (f frame) bytes() []byte {
	be := binary.BigEndian
	host := func(b []byte, v6 bool, port uint32) []byte {
		if v6 {
			b = append(b, make([]byte, 12)...)
		}
		return be.AppendUint32(append(b, 255, 255, 255, 255), port)
	}
	b := be.AppendUint32(nil, 0xDAA320A7)
	b = be.AppendUint32(be.AppendUint32(be.AppendUint32(b, math.MaxUint32), f.queue), f.flag)
	b = be.AppendUint64(be.AppendUint64(b, uint64(f.offset)), uint64(f.physical))
	b = be.AppendUint64(be.AppendUint32(b, f.sysFlag), uint64(f.born))
	b = host(b, f.sysFlag&0x10 != 0, f.bornPort)
	b = be.AppendUint64(b, uint64(f.stored))
	b = host(b, f.sysFlag&0x20 != 0, f.storePort)
	b = be.AppendUint64(be.AppendUint32(b, f.reconsumed), uint64(f.prepared))
	b = append(be.AppendUint32(b, 4), "body"...)
	b = append(append(b, 1), 't')
	b = append(be.AppendUint16(b, uint16(len(f.props))), f.props...)
	return append(be.AppendUint32(nil, uint32(len(b)+4)), b...)
}

// Whatever the numbers of a frame are, it becomes a message whose every part JSON can write, and the numbers are kept.
func TestExtremesOfEveryField(t *testing.T) {
	var frames []frame
	for _, n := range []int64{0, 1, -1, math.MaxInt64, math.MinInt64, math.MaxInt32, math.MinInt32, 1_790_000_000_123_456, 1_790_000_000_123_456_789} {
		for _, props := range []string{"", "KEYS\x01NaN\x02TAGS\x01-Infinity\x02RECONSUME_TIME\x01NaN\x02MAX_RECONSUME_TIMES\x0199999999999999999999\x02DLQ_REPLAY_COUNT\x01-NaN\x02"} {
			f := frame{queue: uint32(n), flag: uint32(n), reconsumed: uint32(n), bornPort: uint32(n), storePort: uint32(n),
				offset: n, physical: n, born: n, stored: n, prepared: n, props: props}
			for _, flags := range []uint32{0, 0x30, 0x10, math.MaxUint32, uint32(n) &^ 1} {
				f.sysFlag = flags
				frames = append(frames, f)
			}
		}
	}
	for _, f := range frames {
		messages, err := remoting.DecodeMessages(f.bytes())
		if err != nil || len(messages) != 1 {
			t.Fatalf("%+v: %d messages, %v", f, len(messages), err)
		}
		m := convert(queueA, &messages[0], 1<<20)
		if _, err := json.Marshal(m); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
		kept := fmt.Sprint(m.Offset, m.PhysOffset, dlq.Millis(m.BornAt, m.BornRaw), dlq.Millis(m.StoredAt, m.StoredRaw), m.ReconsumeTimes)
		if want := fmt.Sprint(f.offset, f.physical, f.born, f.stored, int32(f.reconsumed)); kept != want {
			t.Errorf("kept %s of %s", kept, want)
		}
	}
}
