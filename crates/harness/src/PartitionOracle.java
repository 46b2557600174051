// Where Java's producer puts keys. Keys come on standard input, one a line, in hexadecimal, and the answer has a line for each.
// "compute N": the partitioner's function alone. "send SERVERS TOPIC": KafkaProducer sends them, and its metadata tells.

import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class PartitionOracle {
    public static void main(String[] arguments) throws Exception {
        List<byte[]> keys = new BufferedReader(new InputStreamReader(System.in)).lines().map(HexFormat.of()::parseHex).toList();
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16), false, "UTF-8");
        if (arguments[0].equals("compute")) {
            int partitions = Integer.parseInt(arguments[1]);
            for (byte[] key : keys)
                out.println(BuiltInPartitioner.partitionForKey(key, partitions));
        } else {
            Map<String, Object> config = Map.of("bootstrap.servers", arguments[1]);
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
                for (byte[] key : keys)
                    sent.add(producer.send(new ProducerRecord<>(arguments[2], key, new byte[0])));
            }
            for (Future<RecordMetadata> future : sent)
                out.println(future.get().partition());
        }
        out.flush();
    }
}
