// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Ordinary requests by Go's net/http. client BASE TAG, the token in $TOKEN. Eight goroutines share
// a keep-alive transport. Prints "N requests, M wrong" and what was wrong. It must never try again
// itself; the transport repeats only what it may.
package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

type step struct {
	method  string
	body    []byte
	chunked bool
	wait    bool // Expect: 100-continue
}

func plan() []step {
	sizes := []int{0, 1, 1459, 10000, 65536, 1000000}
	var all []step
	for i := 0; i < 40; i++ {
		all = append(all, step{method: "GET"})
		if i%4 != 0 {
			continue
		}
		body := make([]byte, sizes[i/4%len(sizes)])
		for j := range body {
			body[j] = byte(j*13 + len(body))
		}
		some := len(body) > 0
		all = append(all, step{"POST", body, false, some && i%8 == 0},
			step{"PUT", body, some, false})
	}
	return all
}

// A reader whose length the transport cannot see makes it send chunks.
type unknown struct{ io.Reader }

func send(client *http.Client, url string, s step) string {
	var body io.Reader
	if s.chunked {
		body = unknown{bytes.NewReader(s.body)}
	} else if s.method != "GET" {
		body = bytes.NewReader(s.body)
	}
	request, err := http.NewRequest(s.method, url, body)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
	if s.wait {
		request.Header.Set("Expect", "100-continue")
	}
	answer, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	want := fmt.Sprintf("%s %d %x ", s.method, len(s.body), sha256.Sum256(s.body))
	if answer.StatusCode != 200 || !strings.HasPrefix(string(text), want) {
		return fmt.Sprintf("%d %.80q", answer.StatusCode, text)
	}
	return ""
}

func main() {
	url := os.Args[1] + "/orders/echo?" + os.Args[2]
	client := &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			MaxIdleConnsPerHost:   8,
			ExpectContinueTimeout: 5 * time.Second,
		},
	}
	steps := make(chan step)
	var group sync.WaitGroup
	var lock sync.Mutex
	count, wrong := 0, 0
	var slowest time.Duration
	for i := 0; i < 8; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for s := range steps {
				begun := time.Now()
				what := send(client, url, s)
				took := time.Since(begun)
				lock.Lock()
				count++
				if took > slowest {
					slowest = took
				}
				if what != "" {
					wrong++
					fmt.Println(s.method, len(s.body), what, "after", took)
				}
				lock.Unlock()
			}
		}()
	}
	for _, s := range plan() {
		steps <- s
	}
	close(steps)
	group.Wait()
	fmt.Printf("slowest %.3f s\n", slowest.Seconds())
	fmt.Printf("%d requests, %d wrong\n", count, wrong)
}
