// Transactions of Java's producer, and what its consumer makes of them. Prints what happened, one line each.
// Arguments: bootstrap servers, topic (three partitions), group.

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
        } catch (RuntimeException error) {
            // The launcher cannot print the traceless exceptions of Kafka.
            throw new IllegalStateException(error.toString(), error);
        }
    }

    static void run(String[] arguments) {
        servers = arguments[0];
        topic = arguments[1];
        ConsumerGroupMetadata group = new ConsumerGroupMetadata(arguments[2]);
        KafkaProducer<String, String> first = producer();
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
        KafkaProducer<String, String> second = producer();
        second.initTransactions();
        try {
            first.commitTransaction();
            System.out.println("not fenced");
        } catch (RuntimeException error) {
            System.out.println(error.getClass().getSimpleName());
        }
        first.close();

        for (int round = 0; round < 20; round++) {
            second.beginTransaction();
            send(second, 2, "round " + round);
            if (round % 2 == 0)
                second.commitTransaction();
            else
                second.abortTransaction();
        }
        second.beginTransaction();
        send(second, 1, "open");
        second.flush();
        read("read_committed");
        read("read_uncommitted");
        second.abortTransaction();
        second.close();
    }

    static KafkaProducer<String, String> producer() {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", servers);
        config.put("transactional.id", "mover");
        config.put("max.block.ms", "20000");
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
            for (int partition = 0; partition < 3; partition++)
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
