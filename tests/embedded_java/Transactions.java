// Transactions of Java's producer, and what its consumer makes of them. Prints what happened, one line each. A transaction
// that is open for longer than its two seconds has to be aborted by the cluster within another one.
// Arguments: bootstrap servers, topic (four partitions), group.

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Transactions {
    static String servers;
    static String topic;

    public static void main(String[] arguments) {
        try {
            run(arguments);
        } catch (Exception error) {
            // The launcher cannot print the traceless exceptions of Kafka.
            throw new IllegalStateException(error.toString(), error);
        }
    }

    static void run(String[] arguments) throws InterruptedException {
        servers = arguments[0];
        topic = arguments[1];
        ConsumerGroupMetadata group = new ConsumerGroupMetadata(arguments[2]);
        List<KafkaProducer<String, String>> slow = List.of(begun("commit"), begun("abort"), begun("leave"));
        long begun = System.nanoTime();
        KafkaProducer<String, String> first = producer("mover", 600_000);
        first.initTransactions();
        first.beginTransaction();
        for (int partition = 0; partition < 3; partition++)
            send(first, partition, "one");
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        offsets.put(new TopicPartition(topic, 1), new OffsetAndMetadata(17, Optional.of(3), "here"));
        first.sendOffsetsToTransaction(offsets, group);
        first.commitTransaction();

        first.beginTransaction();
        send(first, 0, "aborted");
        send(first, 1, "aborted");
        offsets.put(new TopicPartition(topic, 1), new OffsetAndMetadata(18));
        first.sendOffsetsToTransaction(offsets, group);
        first.flush();
        first.abortTransaction();

        first.beginTransaction();
        send(first, 0, "fenced");
        first.flush();
        KafkaProducer<String, String> second = producer("mover", 600_000);
        second.initTransactions();
        say("fenced, commit", first::commitTransaction);
        first.close();

        for (int round = 0; round < 8; round++) {
            second.beginTransaction();
            send(second, 2, "round " + round);
            second.flush();
            if (round % 2 == 0)
                second.commitTransaction();
            else
                second.abortTransaction();
        }
        second.beginTransaction();
        send(second, 1, "open");
        second.flush();
        outlast(slow, begun);
        read("read_committed");
        read("read_uncommitted");
        second.abortTransaction();
        second.close();
    }

    // A transaction that is begun in partition 3, and left open.
    static KafkaProducer<String, String> begun(String id) {
        KafkaProducer<String, String> producer = producer(id, 2_000);
        producer.initTransactions();
        producer.beginTransaction();
        send(producer, 3, "too long");
        producer.flush();
        return producer;
    }

    // What can be done with transactions that the cluster has aborted.
    static void outlast(List<KafkaProducer<String, String>> slow, long begun) throws InterruptedException {
        Thread.sleep(Math.max(0, 3_500 - (System.nanoTime() - begun) / 1_000_000));
        say("timed out, commit", slow.get(0)::commitTransaction);
        say("timed out, abort", slow.get(1)::abortTransaction);
        say("timed out, abort, begin", slow.get(1)::beginTransaction);
        send(slow.get(2), 3, "later");
        say("timed out, send, commit", slow.get(2)::commitTransaction);
        say("timed out, send, commit, abort", slow.get(2)::abortTransaction);
        for (KafkaProducer<String, String> producer : slow)
            producer.close(Duration.ZERO);
    }

    static void say(String what, Runnable call) {
        try {
            call.run();
            System.out.println(what + ": done");
        } catch (RuntimeException error) {
            String cause = error.getCause() == null ? "" : " by " + error.getCause().getClass().getSimpleName();
            System.out.println(what + ": " + error.getClass().getSimpleName() + cause);
        }
    }

    static KafkaProducer<String, String> producer(String id, int timeout) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", servers);
        config.put("transactional.id", id);
        config.put("transaction.timeout.ms", timeout);
        config.put("max.block.ms", 60_000);
        config.put("retry.backoff.ms", 10);
        return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
    }

    static void send(KafkaProducer<String, String> producer, int partition, String value) {
        producer.send(new ProducerRecord<>(topic, partition, null, value));
    }

    static void read(String isolation) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", servers);
        config.put("isolation.level", isolation);
        config.put("enable.auto.commit", "false");
        List<String> lines = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (int partition = 0; partition < 4; partition++)
                partitions.add(new TopicPartition(topic, partition));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition)))
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500)))
                    lines.add(isolation + " " + record.partition() + " " + record.offset() + " " + record.value());
        }
        lines.sort(null);
        lines.forEach(System.out::println);
    }
}
