package wire

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// TransportOptions are hooks of NewTransport; the zero value means the real thing.
type TransportOptions struct {
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
	Trust Trust
}

// NewTransport is the way requests travel: through the proxy of the
// environment where there is one (never to this machine itself), HTTP/1.1
// only. HTTP/2 would put every request on one connection, and a request that
// is given up because the connection died would leave the dead connection to the next.
func NewTransport(o TransportOptions) *http.Transport {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	// The transport lets a dial run on when its request has been given up.
	timedDial := func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		return dial(ctx, network, address)
	}
	only1 := new(http.Protocols)
	only1.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: connected,
		DialContext:            timedDial,
		TLSClientConfig:        o.Trust.TLS(),
		TLSHandshakeTimeout:    handshakeTimeout,
		Protocols:              only1,
		DisableCompression:     true, // done here, with a limit
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        60 * time.Second,
		MaxResponseHeaderBytes: 16 << 10,
	}
}

// connected looks at a proxy's answer to CONNECT: net/http keeps of a refusal
// nothing but its words.
func connected(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyRefusal{proxy.Host, answer.StatusCode}
}

// compressFrom is the smallest body worth compressing.
const compressFrom = 1 << 10

// squeeze compresses a request body where that saves anything.
func squeeze(body []byte) (out []byte, encoding string, err error) {
	if len(body) < compressFrom {
		return body, "", nil
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, "", err
	}
	defer enc.Close()
	return enc.EncodeAll(body, nil), "zstd", nil
}

// unsqueeze reads a whole body, never more than MaxExpanded of it.
func unsqueeze(r io.Reader, encoding string) ([]byte, error) {
	switch encoding {
	case "":
		return readAll(r)
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		return readAll(z)
	case "zstd":
		// One thread means no goroutine; the window bound is the memory bound.
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderMaxWindow(MaxExpanded), zstd.WithDecoderMaxMemory(MaxExpanded+1))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		defer z.Close()
		return readAll(z)
	}
	return nil, fmt.Errorf("it is packed as “%s”, which nobody asked for", line(encoding))
}

func bodyReader(b []byte) io.Reader {
	if b == nil {
		return nil
	}
	return bytes.NewReader(b) // a type that http.NewRequest can rewind for a repeat
}
