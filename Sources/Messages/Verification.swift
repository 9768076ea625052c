// The binary form of what became of a verification.

import Election
import Wire

extension Verification {
    func write(to writer: inout Writer) {
        writer.write(began)
        writer.write(isOrdered)
        writer.write(list: questions) { writer, question in
            writer.write(question.address)
            writer.write(question.target)
            writer.write(question.witness.rawValue)
            writer.write(question.asked)
            writer.write(question.answered) { $0.write($1) }
        }
        writer.write(isComplete)
    }

    init(from reader: inout Reader) throws(MessageError) {
        let began = try reader.instant()
        let isOrdered = try reader.bool()
        let questions = try reader.list { reader throws(MessageError) in
            let address = try reader.address()
            let target = try reader.address()
            let number = try reader.byte()
            guard let witness = Witness(rawValue: number) else { throw .unknown(number) }
            let asked = try reader.integer(UInt16.self)
            let answered = try reader.optional { reader throws(MessageError) in try reader.duration() }
            return Question(address: address, target: target, witness: witness, asked: asked, answered: answered)
        }
        self.init(began: began, isOrdered: isOrdered, questions: questions, isComplete: try reader.bool())
    }
}
