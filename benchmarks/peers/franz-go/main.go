// client-franz-go: the work of the benchmark by franz-go, as the other clients do it: the same command line (work.rs), the
// same files of values (payloads.rs), the same way of measuring (callers.rs). Compiled by compare.
//
// Records and their promises are pooled, so that none is allocated for a record.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const sampled = 64

var (
	work         = map[string]string{}
	values, keys [][]byte
	betweenLooks int
	told         int64 // promises are kept one after the other
	samples      []int64
)

func main() {
	words := os.Args[1:]
	for len(words) > 0 && words[0] != "--" {
		name, value, _ := strings.Cut(words[0], "=")
		work[name] = value
		words = words[1:]
	}
	if len(words) > 1 {
		fail(fmt.Errorf("it takes no properties: %v", words[1:]))
	}
	readTables()
	var report string
	switch work["mode"] {
	case "throughput":
		report = run(rate)
		report += fmt.Sprintf(" told=%d", told) + times(samples)
	case "latency":
		report = run(asker)
		report += times(slices.Concat(asked...))
	case "transactions":
		report = run(committer)
		report += fmt.Sprintf(" told=%d transactions=%d", told, committed) + times(slices.Concat(asked...))
	case "connect":
		report = connect()
	case "cold":
		report = cold()
	case "idle":
		report = idle()
	default:
		fail(fmt.Errorf("mode %q", work["mode"]))
	}
	fmt.Printf("%s version=%s peak_kib=%s\n", report, version(), peak())
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(name string) int {
	value, err := strconv.Atoi(work[name])
	fail(err)
	return value
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/twmb/franz-go" {
			return module.Version
		}
	}
	return "unknown"
}

func peak() string {
	status, err := os.ReadFile("/proc/self/status")
	fail(err)
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	return strings.Fields(rest)[0]
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	fail(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func readTables() {
	if work["payloads"] == "" {
		return
	}
	file, err := os.ReadFile(work["payloads"])
	fail(err)
	total := 0
	for len(file) > 0 {
		length := int(binary.BigEndian.Uint32(file))
		values = append(values, file[4:4+length:4+length])
		file = file[4+length:]
		total += length
	}
	betweenLooks = max(1, min(512, 65536/max(1, total/len(values))))
	for i := range number("keys") {
		keys = append(keys, fmt.Appendf(nil, "%0*d", 8+i%9, i))
	}
}

func client() *kgo.Client {
	linger := 5 * time.Millisecond
	if work["mode"] == "latency" || work["mode"] == "cold" {
		linger = 0
	}
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(work["address"], ",")...),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchMaxBytes(int32(number("batch_size"))),
		kgo.MaxBufferedBytes(64 << 20),
		kgo.MaxBufferedRecords(10_000_000),
		kgo.ProducerBatchCompression(codecs[work["codec"]]),
		kgo.DisableClientMetrics(),
	}
	if work["idempotent"] != "true" {
		options = append(options, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(5))
	}
	if work["mode"] == "transactions" {
		options = append(options, kgo.TransactionalID(work["topic"]))
	}
	made, err := kgo.NewClient(options...)
	fail(err)
	return made
}

// caller is one goroutine that sends.
type caller struct {
	client     *kgo.Client
	index      int
	value, key int
	begun      bool
}

func (c *caller) fill(record *kgo.Record) {
	*record = kgo.Record{Topic: work["topic"], Value: values[c.value]}
	if c.value++; c.value == len(values) {
		c.value = 0
	}
	if keys != nil {
		record.Key = keys[c.key]
		if c.key++; c.key == len(keys) {
			c.key = 0
		}
	}
}

// item is a record with its promise, used again and again.
type item struct {
	record  kgo.Record
	sent    time.Time
	promise func(*kgo.Record, error)
}

var items = sync.Pool{}

func newItem() *item {
	if pooled, ok := items.Get().(*item); ok {
		return pooled
	}
	made := &item{}
	made.promise = func(_ *kgo.Record, err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "not delivered:", err)
			return
		}
		told++
		if !made.sent.IsZero() {
			samples = append(samples, int64(time.Since(made.sent)))
		}
		items.Put(made)
	}
	return made
}

func rate(c *caller, end time.Time) int {
	ctx, sent := context.Background(), 0
	for time.Now().Before(end) {
		for range betweenLooks {
			next := newItem()
			c.fill(&next.record)
			next.sent = time.Time{}
			if c.begun && sent%sampled == 0 {
				next.sent = time.Now()
			}
			c.client.Produce(ctx, &next.record, next.promise)
			sent++
		}
	}
	return sent
}

var asked [][]int64

func asker(c *caller, end time.Time) int {
	ctx, took := context.Background(), []int64{}
	var record kgo.Record
	for sent := time.Now(); sent.Before(end); sent = time.Now() {
		c.fill(&record)
		fail(c.client.ProduceSync(ctx, &record).FirstErr())
		took = append(took, int64(time.Since(sent)))
	}
	asked[c.index] = took
	return len(took)
}

var committed int

// committer makes transactions of so many records, one after the other.
func committer(c *caller, end time.Time) int {
	ctx, took, records := context.Background(), []int64{}, number("transaction")
	for begun := time.Now(); begun.Before(end); begun = time.Now() {
		fail(c.client.BeginTransaction())
		for range records {
			next := newItem()
			c.fill(&next.record)
			next.sent = time.Time{}
			c.client.Produce(ctx, &next.record, next.promise)
		}
		fail(c.client.Flush(ctx))
		fail(c.client.EndTransaction(ctx, kgo.TryCommit))
		took = append(took, int64(time.Since(begun)))
	}
	asked[c.index] = took
	committed += len(took)
	return len(took) * records
}

func run(sendUntil func(*caller, time.Time) int) string {
	threads := number("threads")
	made := client()
	defer made.Close()
	asked = make([][]int64, threads)
	warmUp, window := 0, 0
	phase := func(begun bool, callers []*caller, length time.Duration, sum *int) {
		var group sync.WaitGroup
		counts := make([]int, threads)
		for i, c := range callers {
			c.begun = begun
			group.Go(func() { counts[i] = sendUntil(c, time.Now().Add(length)) })
		}
		group.Wait()
		for _, count := range counts {
			*sum += count
		}
		fail(made.Flush(context.Background()))
	}
	callers := make([]*caller, threads)
	for i := range callers {
		callers[i] = &caller{client: made, index: i, value: len(values) * i / threads, key: len(keys) * i / threads}
	}
	phase(false, callers, time.Duration(number("warm_up_ms"))*time.Millisecond, &warmUp)
	begin, cpu := time.Now(), cpuSeconds()
	phase(true, callers, time.Duration(number("window_ms"))*time.Millisecond, &window)
	seconds, used := time.Since(begin).Seconds(), cpuSeconds()-cpu
	return fmt.Sprintf("sent=%d records=%d seconds=%.6f cpu=%.6f", warmUp+window, window, seconds, used)
}

func times(took []int64) string {
	if len(took) == 0 {
		return ""
	}
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[min(len(took)-1, int(math.Floor(float64(len(took))*share)))]) / 1e3
	}
	return fmt.Sprintf(" p50_us=%.1f p99_us=%.1f p999_us=%.1f", at(0.5), at(0.99), at(0.999))
}

func connect() string {
	begin, cpu := time.Now(), cpuSeconds()
	for range number("rounds") {
		made := client()
		fail(made.Ping(context.Background()))
		made.Close()
	}
	return fmt.Sprintf("sent=0 records=%d seconds=%.6f cpu=%.6f", number("rounds"), time.Since(begin).Seconds(), cpuSeconds()-cpu)
}

func cold() string {
	begin := time.Now()
	made := client()
	defer made.Close()
	fail(made.ProduceSync(context.Background(), &kgo.Record{Topic: work["topic"], Value: values[0]}).FirstErr())
	return fmt.Sprintf("sent=1 first_us=%d", time.Since(begin).Microseconds())
}

// The runner counts what is called between the two words.
func idle() string {
	made := client()
	defer made.Close()
	for i := range 1000 {
		record := &kgo.Record{Topic: work["topic"], Value: values[i%len(values)]}
		made.Produce(context.Background(), record, func(_ *kgo.Record, err error) { fail(err) })
	}
	fail(made.Flush(context.Background()))
	time.Sleep(time.Duration(number("warm_up_ms")) * time.Millisecond)
	fmt.Fprintln(os.Stderr, "idle begins")
	begin, cpu := time.Now(), cpuSeconds()
	time.Sleep(time.Duration(number("window_ms")) * time.Millisecond)
	fmt.Fprintln(os.Stderr, "idle ends")
	return fmt.Sprintf("sent=1000 seconds=%.6f cpu=%.6f", time.Since(begin).Seconds(), cpuSeconds()-cpu)
}
