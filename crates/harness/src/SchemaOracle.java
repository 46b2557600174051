// Reads messages with Kafka's own classes. Standard input has a line for each: "request" or "response", API key, version, and
// the body in hexadecimal. The answer has a line for each: what Kafka's classes write again, in hexadecimal, or "error WHAT".

import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

public class SchemaOracle {
    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16), false, "UTF-8");
        for (String line; (line = in.readLine()) != null; )
            out.println(again(line.split(" ", 4)));
        out.flush();
    }

    static String again(String[] words) {
        try {
            ApiMessageType type = ApiMessageType.fromApiKey(Short.parseShort(words[1]));
            ApiMessage message = words[0].equals("request") ? type.newRequest() : type.newResponse();
            short version = Short.parseShort(words[2]);
            ByteBuffer body = ByteBuffer.wrap(HexFormat.of().parseHex(words[3]));
            message.read(new ByteBufferAccessor(body), version);
            if (body.hasRemaining())
                return "error " + body.remaining() + " bytes left over";
            ObjectSerializationCache cache = new ObjectSerializationCache();
            ByteBuffer written = ByteBuffer.allocate(message.size(cache, version));
            message.write(new ByteBufferAccessor(written), cache, version);
            return HexFormat.of().formatHex(written.array());
        } catch (Exception error) {
            return "error " + error.toString().replaceAll("\\s+", " ");
        }
    }
}
