package packets

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"sync/atomic"
	"time"

	"tourniquet/lambda/simvpc/world"
)

// A Download is a long transfer to the end inside the VPC.
type Download struct {
	*Connection

	Size     int64
	received atomic.Int64
	sentSum  chan result
	gotSum   chan result
}

type result struct {
	sum hash.Hash
	err error
}

// Download opens a connection on which the end outside the VPC sends random bytes, the
// responder where both are inside. A rate is in bytes a second of simulated time; 0
// is as fast as TCP goes.
func (v *VPC) Download(ctx context.Context, f world.Flow, size int64, rate int) (*Download, error) {
	c, err := v.Connect(ctx, f)
	if err != nil {
		return nil, err
	}
	d := &Download{Connection: c, Size: size, sentSum: make(chan result, 1), gotSum: make(chan result, 1)}
	var from io.Writer = c.Responder
	var to io.Reader = c.Initiator
	if v.outside(f.From.Addr()) {
		from, to = c.Initiator, c.replies
	}
	stop := make(chan struct{})
	v.closing(closerFunc(func() { close(stop) }))
	v.running.Go(func() { d.sentSum <- v.send(from, size, rate, stop) })
	v.running.Go(func() { d.gotSum <- d.receive(to) })
	return d, nil
}

type closerFunc func()

func (f closerFunc) Close() error { f(); return nil }

// send sends random bytes at a rate.
func (v *VPC) send(w io.Writer, size int64, rate int, stop <-chan struct{}) result {
	const chunk = 32 << 10
	r := result{sum: sha256.New()}
	source := randomBytes()
	buf := make([]byte, chunk)
	for left := size; left > 0 && r.err == nil; left -= int64(len(buf)) {
		buf = buf[:min(left, chunk)]
		clear(buf)
		source.XORKeyStream(buf, buf)
		r.sum.Write(buf)
		_, r.err = w.Write(buf)
		if rate > 0 && !v.Clock.Sleep(time.Duration(len(buf))*time.Second/time.Duration(rate), stop) {
			return result{r.sum, io.ErrClosedPipe}
		}
	}
	return r
}

// randomBytes are bytes that look random and are the same every time.
func randomBytes() cipher.Stream {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil { // can't happen: the key has a length that AES knows
		panic(err)
	}
	return cipher.NewCTR(block, make([]byte, block.BlockSize())) //nolint:gosec // nothing is secret: it is to be the same every time
}

func (d *Download) receive(from io.Reader) result {
	r := result{sum: sha256.New()}
	buf := make([]byte, 32<<10)
	for d.received.Load() < d.Size && r.err == nil {
		var n int
		n, r.err = from.Read(buf)
		r.sum.Write(buf[:n])
		d.received.Add(int64(n))
	}
	return r
}

// Received is how many bytes have arrived so far.
func (d *Download) Received() int64 { return d.received.Load() }

// Wait waits for the end of the transfer, and reports an error unless every byte has
// arrived, unchanged and in order.
func (d *Download) Wait(ctx context.Context) error {
	var sums [2]string
	for i, c := range []chan result{d.sentSum, d.gotSum} {
		select {
		case r := <-c:
			if r.err != nil {
				return fmt.Errorf("after %d of %d bytes: %w", d.Received(), d.Size, r.err)
			}
			sums[i] = fmt.Sprintf("%x", r.sum.Sum(nil))
		case <-ctx.Done():
			return fmt.Errorf("after %d of %d bytes: %w", d.Received(), d.Size, ctx.Err())
		}
	}
	if sums[0] != sums[1] {
		return fmt.Errorf("sent %s, received %s", sums[0], sums[1])
	}
	return nil
}
